"""The page as a document: well formed, self-contained, bounded, and whole when parts of the record are missing."""

import dataclasses
import math
import re
from html.parser import HTMLParser

import pytest

from laconic.base.measures import Measure
from laconic.base.records import Figures, Layer, Record, Stage
from laconic.report import render
from laconic.report.templates import LARGEST

VOID = {"meta", "rect", "line", "br", "img", "link", "input"}


class Reader(HTMLParser):
    """Tags with their attributes, the visible text, and a complaint wherever tags do not close as they opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag
        if tag in ("td", "th", "dt", "dd"):
            self.text += " "

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.text += data.replace("\u202f", " ").replace("\u00a0", " ")

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_document_is_accessible_and_self_contained(record):
    page = render(record)
    reader = Reader(page)
    assert len(reader.named("h1")) == 1
    assert len(reader.named("caption")) == len(reader.named("table")) == 6
    assert all(chart.get("aria-label") for chart in reader.named("svg") if chart.get("role") == "img")
    assert all(chart.get("role") == "img" or chart.get("aria-hidden") == "true" for chart in reader.named("svg"))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["aria-labelledby"] for _, attributes in reader.tags if "aria-labelledby" in attributes} <= set(ids)
    assert not any({"src", "href", "onclick"} & set(attributes) for _, attributes in reader.tags)
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in reader.tags}
    assert "url(" not in page
    assert "@import" not in page


def test_page_tells_all_of_the_record(record):
    text = " ".join(Reader(render(record)).text.split())
    for words in (
        "LeNet-5 is 31.2 × smaller (55 382 B instead of 1 726 856 B), "
        "scores 98.3 % against 98.6 % before (−0.3 points), and runs 1.0 × as fast.",
        "data: digits",
        "n = 360, top-1 of the file on the test images",
        "53 902 B",
        "271 032 B",
        "6.4 × smaller",
        "1.0 × ± 0.04 (n = 200, median of interleaved pairs)",
        "The arithmetic is the same, so no speed-up is expected.",
        "conv2.weight codebook 50×20×5×5 10.0 32 1.00 3 125 5.6",
        "streams 53 806 97.2",
        "conv2.weight 2 500 0.0123 no",
        "- prune: {sparsity: 0.9} - share: {bits: 5}",
        "python 3.11",
        "energy of the run 0.31 Wh, estimated",
        "seed 7",
        "9f86d081884c7d65",
        "The test split has 360 samples.",
    ):
        assert words in text


OPTIONAL = {
    "stages": (), "layers": (), "speed_ratio": None, "speed_line": "", "parts": {}, "sha256": "", "weights_only": None,
    "environment": {}, "warnings": (), "model": "", "data": "", "metric": "", "recipe": "",
}  # fmt: skip


@pytest.mark.parametrize("field", OPTIONAL)
def test_page_without_one_field(record, field):
    text = Reader(render(dataclasses.replace(record, **{field: OPTIONAL[field]}))).text
    assert "55 382 B" in text
    assert "None" not in text


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("field", ["score", "latency"])
def test_page_without_one_figure(record, side, field):
    figures = dataclasses.replace(getattr(record, side), **{field: None})
    text = Reader(render(dataclasses.replace(record, **{side: figures}))).text
    assert "55 382 B" in text
    assert "None" not in text


def test_bare_record_says_no_more_than_it_knows(bare):
    reader = Reader(render(bare))
    assert "The network is as large as before (4 B)." in reader.text
    assert len(reader.named("section")) == 2
    assert not [chart for chart in reader.named("svg") if chart.get("role") == "img"]


def test_odd_values_draw_no_odd_charts(record):
    odd = Measure(math.nan, "ms", "", 3, math.inf)
    nothing = Layer("empty", (0, 3), "dense", 0, 0, 0, 0)
    strange = dataclasses.replace(
        record,
        before=Figures(Measure(0, "bytes", ""), None, odd),
        after=dataclasses.replace(record.after, size=Measure(0, "bytes", ""), latency=odd),
        layers=(nothing, Layer("scalar", (), "dense", 1, 1, 4, 4)),
    )
    reader = Reader(render(strange))
    sides = [attributes.get(name) or "" for _, attributes in reader.tags for name in ("x", "x1", "x2", "width", "height")]
    assert not any("nan" in side or "inf" in side for side in sides)
    assert "LeNet-5 weighs 0 B" in reader.text


HOSTILE = "<script>&\"'</td>\u202e\x1b[31m\udcff{{ 7 * 7 }}"
HARMLESS = "<script>&\"'</td>\ufffd\ufffd[31m\ufffd{{ 7 * 7 }}"


def hostile(record: Record) -> Record:
    measure = Measure(1.0, HOSTILE, HOSTILE, 3, 0.1)
    figures = Figures(Measure(9, "bytes", HOSTILE, 2), measure, measure)
    layers = tuple(dataclasses.replace(layer, name=HOSTILE, form=HOSTILE) for layer in record.layers)
    stages = (Stage(HOSTILE, ({HOSTILE: HOSTILE},), 1.0, measure, measure),)
    words = dict.fromkeys(("model", "data", "metric", "recipe", "speed_line", "sha256"), HOSTILE)
    tables = {"parts": {HOSTILE: 3}, "environment": {HOSTILE: HOSTILE}, "warnings": (HOSTILE,)}
    return Record(seed=0, before=figures, after=figures, stages=stages, layers=layers, speed_ratio=measure, **words, **tables)


def test_hostile_words_are_escaped_everywhere(record):
    page = render(hostile(record))
    reader = Reader(page)
    assert "script" not in {name for name, _ in reader.tags}
    assert not any(character in page for character in "\u202e\x1b\udcff")
    assert reader.text.count(HARMLESS) >= 20


def test_page_of_a_huge_record_stays_small(record):
    layers = tuple(Layer(f"blocks.{number}.weight", (64, 64), "codebook", 400, 32, 16384, number) for number in range(3000))
    plan = tuple({"layer": layer.name, "kept": 0.1, "threshold": 0.123456} for layer in layers)
    stages = tuple(dataclasses.replace(record.stages[0], plan=plan) for _ in range(6))
    page = render(dataclasses.replace(record, layers=layers, stages=stages))
    assert 50_000 < len(page.encode()) <= LARGEST == 500_000
    text = Reader(page).text
    assert "blocks.2999.weight" in text
    assert "2 600 more tensors, the smallest, are in results.json." in text
    assert "400 rows of 3 000; all are in results.json" in text


def test_page_of_endless_words_stays_small(record):
    endless = "&" * 100_000
    words = dict.fromkeys(("model", "data", "metric", "recipe", "speed_line", "sha256"), endless)
    measure = dataclasses.replace(record.speed_ratio, how=endless, unit=endless)
    rows = ({str(column) + endless: endless for column in range(50)},) * 50
    stages = tuple(Stage(endless, rows, 1.0, measure, measure) for _ in range(30))
    layers = tuple(dataclasses.replace(record.layers[0], name=endless, form=endless) for _ in range(3000))
    tables = {"environment": {f"{n}{endless}": endless for n in range(30)}, "parts": {f"{n}{endless}": n for n in range(30)}}
    figures = Figures(measure, measure, measure)
    huge = dataclasses.replace(
        record,
        before=figures,
        after=figures,
        stages=stages,
        layers=layers,
        warnings=(endless,) * 30,
        speed_ratio=measure,
        **words,
        **tables,
    )
    assert len(render(huge).encode()) <= LARGEST


def test_the_page_says_what_clocked_the_layers(record: Record) -> None:
    page = render(dataclasses.replace(record, clocked_in="ONNX Runtime"))
    assert "Each layer in ONNX Runtime, batch 1, one thread, with what the engine has fused into it" in page
    assert "Each layer in torch, batch 1, one thread. Where two" in render(record)
    gone = re.search(r"<code>fc1</code>.*?</tr>", page, re.DOTALL)
    assert gone is not None
    assert gone[0].count('<td class="number">\u2013</td>') == 2  # neither a time after nor a ratio
