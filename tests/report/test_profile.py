"""The page of a profile: what it tells and draws, and that no name disturbs it."""

import re
from dataclasses import replace

import pytest

from laconic.base.measures import Measure
from laconic.report.blocks import Kind, widths
from laconic.report.layer_costs import Layer, Network, Pass
from laconic.report.profile import render_profile, verdict
from laconic.report.templates import LARGEST

HOSTILE = "<script>&\"'</td></svg>\u202e\x1b[31m\udcff{{ 7 * 7 }}"
CONV = Layer("conv1", "Conv2d", Kind.FULL, "16×32×32", 448, 750_000, 60_000, 2_000, 3.0)
RELU = Layer("relu", "ReLU", Kind.OTHER, "16×32×32", 0, 0, 120_000, 0, 0.5)
FC = Layer("fc", "Linear", Kind.LINEAR, "10", 2_000, 250_000, 20_000, 8_000, 0.5)
SMALL = Network("net", "3×32×32", 2, (CONV, RELU, FC), Measure(4.5, "ms", "median", 20, 0.2), ("At most 7 bytes are alive.",))


def text(page: str) -> str:
    words = re.sub(r"<(style|title)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", words).replace("\u00a0", " ").replace("\u202f", " ").split())


def blocks(page: str) -> list[tuple[float, float, float]]:
    """Left end, width and height of each."""
    found = re.findall(r'<rect class="block [^"]*" x="([\d.]+)%" width="([\d.]+)%" y="[\d.]+" height="([\d.]+)"', page)
    return [(float(start), float(width), float(height)) for start, width, height in found]


def test_the_page_tells_where_everything_is() -> None:
    words = text(render_profile(SMALL)).replace("&#39;", "'")
    for said in (
        "Full convolutions do 75 % of the MACs and take 75 % of the layers' time; other layers move 60 % of the bytes of activations; "
        "linear layers hold 80 % of the bytes of weights.",
        "Full convolutions 1 750 000 75 % 60 000 30 % 2 000 20 % 3.000 75 %",
        "fc Linear 10 2 000 250 000 25 % 20 000 10 % 8 000 80 % 0.500 12 %",
        "a batch of 2 × 3×32×32 , in torch on one thread; the whole pass takes 4.5 ms ± 0.2",
        "At most 7 bytes are alive.",
    ):
        assert said in words, said


def test_blocks_stand_in_order_as_wide_as_their_macs_and_as_high_as_their_bytes() -> None:
    page = render_profile(SMALL)
    (first, wide, high), (second, thin, higher), (third, other, deep) = blocks(page)
    assert (first, second, third) == pytest.approx((0, wide, wide + thin), abs=0.01)
    assert third + other == pytest.approx(100, abs=0.01)
    assert (wide - thin) / (other - thin) == pytest.approx(3, abs=0.01)
    assert thin > 0
    assert (high, higher, deep) == pytest.approx((170 / 2 + 110 / 4, 170, 170 / 6 + 110), abs=0.1)
    assert re.findall(r'<rect class="block ([\w-]+)"', page) == ["tone-1", "rest", "tone-3"]
    titles = re.findall(r'<g role="listitem"><title>(.*?)</title>', page)
    assert titles[0].replace("\u202f", " ").replace("\u00a0", " ") == (
        "conv1, Conv2d: 750 000 MACs (75 %); 60 000 bytes of activations (30 %); 2 000 bytes of weights (20 %); 3.000 ms (75 %)"
    )


@pytest.mark.parametrize("count", [1, 7, 300])
def test_widths_fill_the_picture_and_none_is_nothing(count: int) -> None:
    for macs in ([0] * count, [10**9] + [0] * (count - 1), list(range(1, count + 1))):
        found = widths(macs)
        assert sum(found) == pytest.approx(100)
        assert min(found) >= min(0.7, 30 / count) - 1e-9


def test_the_page_is_accessible_and_asks_for_nothing() -> None:
    page = render_profile(SMALL)
    assert '<svg class="chart blocks" role="list" aria-label="net, layer by layer"' in page
    assert page.count("<svg") == page.count('role="list"') + page.count('<svg class="swatch" aria-hidden="true"')
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<img|<link|https?:|javascript:|url\(", page)


@pytest.mark.parametrize("layers", [(), (RELU,), (CONV,), (replace(RELU, moved=0, ms=None),)])
def test_pages_of_nothing_and_of_one_layer(layers: tuple[Layer, ...]) -> None:
    page = render_profile(Network("", "4", 1, layers))
    assert "</html>" in page
    assert [width for _, width, _ in blocks(page)] == [100.0] * len(layers)


def test_what_was_not_timed_or_is_not_multiplied_is_not_told() -> None:
    page = render_profile(Network("net", "4", 1, (replace(RELU, ms=None),)))
    assert "time" not in verdict(Network("net", "4", 1, (replace(RELU, ms=None),)))
    assert "Nothing is multiplied, so that all are as wide." in page
    assert 'id="by-moved"' in page
    assert 'id="by-macs"' not in page
    assert 'id="by-time"' not in page


def test_layers_have_their_place_in_each_order() -> None:
    orders = re.findall(r'<tr style="(.*?)">', render_profile(SMALL))
    assert orders[0] == "--at-macs:0;--at-moved:1;--at-weights:1;--at-time:0;--at-intensity:0"
    assert [re.search("weights:(.)", order)[1] for order in orders] == ["1", "2", "0"]  # type: ignore[index]


def test_rates_stand_beside_the_shares_where_they_are_known() -> None:
    seen = (
        replace(CONV, nonzero=0.5, effective=375_000, intensity=12.5, roof=40.0),
        replace(RELU, nonzero=None),
        replace(FC, nonzero=0.25, effective=62_500, intensity=0.5, roof=90.0),
    )
    page = render_profile(replace(SMALL, layers=seen))
    words = text(page)
    assert "ms Inputs not zero MACs not by zero FLOP a byte Of the roof" in words
    assert "fc Linear 10 2 000 250 000 25 % 20 000 10 % 8 000 80 % 0.500 12 % 25 % 62 500 0.5 90 %" in words
    assert re.search("relu ReLU 16×32×32 0 0 0.*? – – – – fc", words)
    assert [re.search("roof:(.)", order)[1] for order in re.findall(r'<tr style="(.*?)">', page)] == ["1", "2", "0"]  # type: ignore[index]
    assert all(f'id="by-{order}"' in page for order in ("nonzero", "effective", "intensity", "roof"))
    assert not any(word in render_profile(SMALL) for word in ("Inputs not zero", "MACs not by zero", "Of the roof"))


def test_every_order_has_its_rule_on_the_page() -> None:
    page = render_profile(replace(SMALL, layers=(replace(CONV, nonzero=0.5, effective=1, roof=40.0),)))
    orders = set(re.findall(r'id="by-([a-z]+)"', page)) - {"run"}
    assert len(orders) == 8
    assert all(f".sortable:has(#by-{order}:checked) tbody tr {{ order: var(--at-{order}); }}" in page for order in orders)


def test_several_batches_have_a_line_each() -> None:
    page = render_profile(replace(SMALL, passes=(Pass(1, 3.0, 80.0, 20.0, 1.5, 4096, 2.0), Pass(64, 96.0, 95.0, 5.0, 12.25, 1 << 20))))
    assert "1 3.000 3.000 80 % 20 % 1.5 4.1 kB 2.00 64 96.000 1.500 95 % 5.0 % 12.2 1.05 MB –" in text(page)
    assert "Against the batch" not in render_profile(SMALL)


def test_hostile_names_are_escaped_everywhere() -> None:
    layers = (replace(CONV, name=HOSTILE, type=HOSTILE, output=HOSTILE), FC)
    page = render_profile(Network(HOSTILE, HOSTILE, 1, layers, None, (HOSTILE,)))
    assert "<script" not in page
    assert not any(sign in page for sign in "\u202e\x1b\udcff")
    assert page.count("&lt;script&gt;") >= 8
    assert "{{ 7 * 7 }}" in page
    assert page.count("</svg>") == page.count("<svg")


def test_three_hundred_layers_are_all_drawn() -> None:
    page = render_profile(Network("deep", "4", 1, (CONV, RELU, FC) * 100))
    assert len(blocks(page)) == 300
    assert "left out" not in page
    assert len(page.encode()) <= LARGEST


def test_of_thousands_of_layers_the_page_keeps_the_largest_and_says_so() -> None:
    many = [replace(RELU, name=f"{'long' * 30}{number}") for number in range(2000)]
    page = render_profile(Network("m", "4", 1, (*many, replace(FC, name="great"))))
    assert 20_000 < len(page.encode()) <= LARGEST
    assert "more layers, those that take least, are left out of the picture and the table" in page
    assert "<code>great</code>" in page
    assert len(blocks(page)) in (400, 100, 25, 5)
