"""The pages' templates, filled so that no foreign word is read as markup and no page grows without bound."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from laconic.report.words import MISSING, factor, grouped, note, plain, spread

LARGEST = 500_000  # bytes of a page
_ROWS = (400, 100, 25, 5)  # rows of each table to try, until the page is no larger


def fitted(name: str, contents: Callable[[int], dict[str, Any]]) -> str:
    """The template `name`, with what `contents` gives for so many rows a table, of at most 500 kB."""
    page = ""
    for rows in _ROWS:
        page = _environment().get_template(name).render(contents(rows))
        if len(page.encode()) <= LARGEST:
            break
    return page


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown, loader=FunctionLoader(_text)
    )
    environment.filters.update(factor=factor, grouped=grouped, note=note, plain=plain, spread=spread)
    environment.globals["style"] = Markup(_text("page.css"))
    return environment


def _text(name: str) -> str:
    return files("laconic.report").joinpath(name).read_text(encoding="utf-8")


def _shown(value: object) -> object:
    """Every value on its way into the page: markup of our own passes as it is, all else is cleaned here and then escaped."""
    if value is None:
        return MISSING
    return value if isinstance(value, Markup) else plain(value)
