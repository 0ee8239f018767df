"""The page as a browser shows it: what can be read, in which colours, and what it asks the network for."""

import dataclasses
from pathlib import Path

import pytest

from laconic.base.measures import Measure
from laconic.base.records import Record, Verdicts
from laconic.base.sensitivities import Sensitivity
from laconic.report import render
from laconic.report.blocks import Kind
from laconic.report.compare import render_comparison
from laconic.report.contenders import from_record
from laconic.report.layer_costs import Layer, Network
from laconic.report.profile import render_profile
from laconic.report.sensitivity import render_sensitivity

# Contrast (WCAG 2.2) of every element that holds words of its own, against the nearest painted background behind it.
CONTRASTS = """(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const painted = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if ((channels(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const luminance = colour => channels(colour).slice(0, 3)
    .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const wordy = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.checkVisibility() && e.localName !== 'title';
  return [...document.body.querySelectorAll('*')].filter(wordy).map(e => {
    const style = getComputedStyle(e), ink = e instanceof SVGElement ? style.fill : style.color;
    const [dark, light] = [luminance(ink), luminance(painted(e))].sort((a, b) => a - b);
    return [e.localName + '.' + (e.className.baseVal ?? e.className), (light + 0.05) / (dark + 0.05)];
  });
})()"""

LUMINANCE = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, c) => sum + Number(c), 0) / 765"


@pytest.fixture
def page(record: Record, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(render(record), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(browser, page, scheme):
    browser.show(page, scheme=scheme)
    shown = browser.evaluate("document.body.innerText").replace("\u202f", " ").replace("\u00a0", " ")
    for words in (
        "31.2 × smaller (55 382 B instead of",
        "fc1.weight",
        "top-1 of the file",
        "prune: {sparsity: 0.9}",
        "3.11",
        "360 samples",
    ):
        assert words in shown
    contrasts = browser.evaluate(CONTRASTS)
    assert len(contrasts) > 80
    assert [item for item in contrasts if item[1] < 4.5] == []
    paper = browser.evaluate(LUMINANCE)
    assert paper > 0.9 if scheme == "light" else paper < 0.15


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_are_drawn_and_painted(browser, page, scheme):
    browser.show(page, scheme=scheme)
    script = "[...document.querySelectorAll('svg.chart rect')].map(r => [r.getBoundingClientRect().width, getComputedStyle(r).fill])"
    widths_and_fills = browser.evaluate(script)
    assert max(width for width, _ in widths_and_fills) > 300
    assert all(width > 0 for width, _ in widths_and_fills)
    assert len({fill for _, fill in widths_and_fills}) == 3


def test_layers_can_be_put_in_another_order(browser, page):
    browser.show(page)
    tops = "[...document.querySelectorAll('.costs tbody tr')].map(r => [r.getBoundingClientRect().top, r.innerText.split(/\\s/)[0]])"

    def order() -> list[str]:
        return [name for _, name in sorted(browser.evaluate(tops))]

    assert order() == ["conv1", "conv2", "fc1"]
    for choice, expected in (
        ("before", ["conv2", "conv1", "fc1"]),
        ("params", ["fc1", "conv2", "conv1"]),
        ("after", ["conv1", "conv2", "fc1"]),
    ):
        browser.evaluate(f"document.getElementById('by-{choice}').click()")
        assert order() == expected
    columns = "[...document.querySelectorAll('.costs tr')].map(r => r.children[3].getBoundingClientRect().left)"
    assert len(set(browser.evaluate(columns))) == 1


def test_page_is_silent_and_asks_for_nothing(browser, page):
    browser.show(page)
    assert browser.seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    assert [request["request"]["url"] for request in browser.seen("Network.requestWillBeSent")] == [page.as_uri()]


def test_phone_scrolls_tables_and_not_the_page(browser, page):
    browser.show(page, width=360)
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
    assert browser.evaluate("document.querySelector('.layers').scrollWidth") > 360


def test_print_is_light_and_shows_what_is_folded(browser, record, page):
    rows = tuple({"layer": f"row {number}"} for number in range(40))
    long = dataclasses.replace(record, stages=(dataclasses.replace(record.stages[0], plan=rows),))
    page.write_text(render(long), encoding="utf-8")
    folded = "[...document.querySelectorAll('details td')].at(-1).checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})"
    browser.show(page, scheme="dark")
    assert not browser.evaluate(folded)
    browser.show(page, scheme="dark", media="print")
    assert browser.evaluate(folded)
    assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(29, 32, 36)"


def test_hostile_words_stay_words(browser, record, page):
    hostile = "</title></style></script><script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
    named = dataclasses.replace(record, model=hostile, recipe=hostile, warnings=(hostile,), environment={hostile: hostile})
    page.write_text(render(named), encoding="utf-8")
    browser.show(page)
    assert browser.evaluate("window.ran") is None
    assert browser.evaluate("document.querySelectorAll('script, img').length") == 0
    assert browser.evaluate("document.querySelector('h1').innerText") == hostile
    assert [request["request"]["url"] for request in browser.seen("Network.requestWillBeSent")] == [page.as_uri()]


def test_foreign_direction_turns_no_neighbour(browser, record, page):
    turned = dataclasses.replace(record, model="\u202egnp.\u2066 שלום")
    page.write_text(render(turned), encoding="utf-8")
    browser.show(page)
    assert browser.evaluate("document.body.innerText.match(/[\\u202a-\\u202e\\u2066-\\u2069]/)") is None
    assert "שלום" in browser.evaluate("document.querySelector('h1').innerText")


@pytest.fixture
def comparison(record: Record, tmp_path: Path) -> Path:
    told = dataclasses.replace(record, verdicts=Verdicts((0, 0, 1), (0, 0, 1), (0, 1, 1)))
    first = from_record("first.lac", told)
    larger = dataclasses.replace(first.size, value=90_000)
    worse = dataclasses.replace(first, name="second.lac", size=larger, decided=(0, 0, 0), parts={}, clocked_in="elsewhere")
    path = tmp_path / "compare.html"
    path.write_text(render_comparison([first, worse, dataclasses.replace(worse, name="third.lac")]), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_comparison_can_be_read_and_asks_for_nothing(browser, comparison, scheme):
    browser.show(comparison, scheme=scheme)
    assert browser.seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    assert [request["request"]["url"] for request in browser.seen("Network.requestWillBeSent")] == [comparison.as_uri()]
    contrasts = browser.evaluate(CONTRASTS)
    assert len(contrasts) > 60
    assert [item for item in contrasts if item[1] < 4.5] == []
    looks = "[...document.querySelectorAll('circle')].map(c => getComputedStyle(c).fill + getComputedStyle(c).stroke)"
    assert len(set(browser.evaluate(looks))) == 3


def test_a_comparison_fits_a_phone(browser, comparison):
    browser.show(comparison, width=360)
    assert browser.evaluate("document.documentElement.scrollWidth") == 360


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    before, *scores = (Measure(value, "%", "", 1000, 0.6) for value in (96.0, 95.0, 70.0))
    layers = {f"stages.{number}.conv.weight": tuple(scores) for number in range(8)}
    path = tmp_path / "sensitivity.html"
    found = Sensitivity("top-1 accuracy", True, (0.5, 0.9), before, layers)
    path.write_text(render_sensitivity(found, "net", "digits", drop=1.0, recipe="prune: {sparsity: {a: 0.5}}"), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_can_be_read_told_apart_and_ask_for_nothing(browser, curves, scheme):
    browser.show(curves, scheme=scheme)
    assert browser.seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    assert [request["request"]["url"] for request in browser.seen("Network.requestWillBeSent")] == [curves.as_uri()]
    contrasts = browser.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert [item for item in contrasts if item[1] < 4.5] == []
    looks = "[...document.querySelectorAll('.curves .curve')].map(c => getComputedStyle(c).stroke)"
    assert len(set(browser.evaluate(looks))) == 7
    inside = "[...document.querySelectorAll('.curves text')].every(t => t.getBoundingClientRect().right <= innerWidth)"
    assert browser.evaluate(inside)


def test_curves_fit_a_phone_and_the_table_names_them(browser, curves):
    browser.show(curves, width=360)
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
    assert browser.evaluate("[...document.querySelectorAll('.curves .name')].filter(n => n.checkVisibility()).length") == 0
    samples = "[...document.querySelectorAll('tbody th .curve')].map(c => getComputedStyle(c).stroke)"
    assert len(set(browser.evaluate(samples))) == 7


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    kinds = [Layer(f"stages.{kind}.conv", "Conv2d", kind, "8×8×8", 90, 900, 4096, 360, 0.1) for kind in Kind]
    path = tmp_path / "profile.html"
    flat = dataclasses.replace(kinds[0], macs=0, weights=0, moved=1)
    path.write_text(render_profile(Network("net", "3×8×8", 1, (*kinds * 59, flat))), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_blocks_can_be_read_told_apart_and_ask_for_nothing(browser, blocks, scheme):
    browser.show(blocks, scheme=scheme)
    assert browser.seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    assert [request["request"]["url"] for request in browser.seen("Network.requestWillBeSent")] == [blocks.as_uri()]
    assert [item for item in browser.evaluate(CONTRASTS) if item[1] < 4.5] == []
    for shapes in ("rect.block", ".kinds .swatch rect"):
        assert len(set(browser.evaluate(f"[...document.querySelectorAll('{shapes}')].map(c => getComputedStyle(c).fill)"))) == 5


def test_blocks_scroll_on_a_phone_and_the_thinnest_can_be_pointed_at(browser, blocks):
    browser.show(blocks, width=360)
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
    columns = browser.evaluate("[...document.querySelectorAll('rect.column')].map(c => c.getBoundingClientRect().width)")
    assert len(columns) == 296
    assert min(columns) > 1.9
