"""The page of the layers' sensitivity: what it tells, and that no name disturbs it."""

import re

import pytest

from laconic.base.measures import Measure
from laconic.base.sensitivities import Sensitivity
from laconic.report.sensitivity import most_sensitive, render_sensitivity
from laconic.report.templates import LARGEST

SPARSITIES = (0.5, 0.9, 0.995)
HOSTILE = "<script>&\"'</td></svg>\u202e\x1b[31m\udcff{{ 7 * 7 }}"


def score(value: float, unit: str = "%") -> Measure:
    return Measure(value, unit, "validation split", 1000, 0.6)


def found(higher: bool = True, unit: str = "%", **scores: tuple[float, ...]) -> Sensitivity:
    measures = {name: tuple(score(value, unit) for value in values) for name, values in scores.items()}
    return Sensitivity("top-1 accuracy", higher, SPARSITIES, score(96.0, unit), measures)


LENET = found(conv1=(96, 91.5, 40), fc1=(96.2, 96, 95.9), fc2=(96, 95, 93))


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<(style|title)>.*?</\1>", "", page, flags=re.DOTALL)).replace("\u00a0", " ").split())


def test_the_page_tells_all_that_was_measured() -> None:
    page = render_sensitivity(LENET, "LeNet-5", "digits", drop=1.0, recipe="prune: {sparsity: {fc1: 0.995}}")
    words = text(page).replace("\u202f", " ")
    for said in (
        "conv1 minds pruning most: −56.0 points at 99.5 % of zeros; fc1 minds it least (−0.1 points).",
        "the model as it came, 96.0 % ± 0.6.",
        "Layer 50 % 90 % 99.5 % conv1 0.0 −4.5 −56.0 fc1 +0.2 0.0 −0.1 fc2 0.0 −1.0 −3.0",
        "1 000 samples of the validation split of digits . Marked: from the first that is worse by more than 1 point",
        "prune: {sparsity: {fc1: 0.995}}",
    ):
        assert said in words, said
    assert len(re.findall('class="number differs"', page)) == 3
    assert page.count("<circle") == 9


def test_the_page_is_accessible_and_asks_for_nothing() -> None:
    page = render_sensitivity(LENET, "LeNet-5", "digits")
    spoken = re.search(r'role="img" aria-label="([^"]*)"', page)
    assert spoken is not None
    assert "conv1 96.0\u00a0% at 50\u00a0%, 91.5\u00a0% at 90\u00a0%, 40.0\u00a0% at 99.5\u00a0%; fc1" in spoken[1]
    assert page.count("<svg") == page.count('role="img"') + page.count('<svg class="swatch" aria-hidden="true"')
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<img|<link|https?:|javascript:|url\(", page)


def test_without_a_drop_nothing_is_marked_and_no_recipe_is_given() -> None:
    page = render_sensitivity(LENET, "LeNet-5", "digits")
    assert "number differs" not in page
    assert "recipe" not in page


def test_the_most_sensitive_come_first_whatever_the_direction() -> None:
    assert most_sensitive(LENET) == ["conv1", "fc2", "fc1"]
    loss = found(higher=False, unit="bits", calm=(96, 96, 96), nervous=(96, 97, 120.5))
    assert most_sensitive(loss) == ["nervous", "calm"]
    assert "nervous minds pruning most: +24.5 bits at 99.5 % of zeros" in text(render_sensitivity(loss, "gpt", "text"))


def test_of_many_layers_six_have_a_colour_and_a_name() -> None:
    many = found(**{f"layer{number}.weight": (96, 96 - number, 90 - number) for number in range(20)})
    page = render_sensitivity(many, "deep", "digits")
    assert re.findall(r'<text class="name tone-\d"[^>]*>(.*?)</text>', page) == [f"layer{number}.weight" for number in range(14, 20)]
    assert "the other 14 are grey" in page


def test_hostile_names_are_escaped_everywhere() -> None:
    page = render_sensitivity(found(**{HOSTILE: (96, 50, 1)}), HOSTILE, HOSTILE, drop=1.0, recipe=HOSTILE)
    assert "<script" not in page
    assert not any(sign in page for sign in "\u202e\x1b\udcff")
    assert page.count("&lt;script&gt;") >= 8
    assert "{{ 7 * 7 }}" in page
    assert page.count("</svg>") == page.count("<svg")


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1e300])
def test_odd_figures_break_nothing(odd: float) -> None:
    page = render_sensitivity(found(a=(odd, odd, odd), b=(96, odd, 3)), "m", "d", drop=1.0)
    assert "</html>" in page
    assert page.count("<circle") == 2
    assert not re.search(r"\b(nan|inf)\b", text(page))


def test_the_page_of_a_thousand_layers_stays_small_and_keeps_those_that_mind() -> None:
    many = {f"{'long' * 30}{number}": (96, 95, 94) for number in range(1000)} | {"nervous": (96, 50, 10)}
    page = render_sensitivity(found(**many), "m", "d")
    assert 20_000 < len(page.encode()) <= LARGEST
    assert "more layers, those that mind least, are left out" in page
    assert "<code>nervous</code>" in page
