"""YAML as nodes that know their lines, so that every complaint can name one."""

import re
from typing import Any

import yaml

from laconic.base.errors import RecipeError
from laconic.base.words import did_you_mean


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as people write it: 1e-3 is a number."""


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: a word that would read as a number is quoted."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def compose(text: str, source: str) -> yaml.Node | None:
    """The root node of a text; None for an empty one.

    Raises:
        RecipeError: this is not YAML, with the line.
    """
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        reason = (getattr(cause, "problem", None) or str(cause)).splitlines()[0].removeprefix("but ")
        hint = "indent with spaces, close every bracket and quotation mark, put a space after each colon"
        raise RecipeError(f"this is not YAML: {reason}", where=_place(source, mark), hint=hint) from cause


def value(node: yaml.Node, source: str) -> Any:
    """The plain value of a node; only safe, standard types.

    Raises:
        RecipeError: a key that stands twice, a tag that asks for code, a date that there is not.
    """
    _check_keys(node, source, set())
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as cause:
        reason = getattr(cause, "problem", None) or cause
        raise RecipeError(f"this is no plain value: {reason}", where=place(node, source)) from cause
    finally:
        loader.dispose()


def _check_keys(node: yaml.Node, source: str, above: set[int]) -> None:
    """YAML lets the last of two equal keys win, which nobody means."""
    if id(node) in above:
        raise RecipeError("this is no plain value: it contains itself", where=place(node, source))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, content in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise RecipeError(f"{key.value!r} stands twice", where=place(key, source), hint="keep one of them")
            seen.add(str(key.value))
            _check_keys(content, source, above | {id(node)})
    elif isinstance(node, yaml.SequenceNode):
        for content in node.value:
            _check_keys(content, source, above | {id(node)})


def line(plain: Any) -> str:
    """A plain value as YAML on one line, in ASCII; `value` of its node gives it back equal.

    >>> line({"bits": {"conv*": 8}, "start": "exact"})
    '{bits: {conv*: 8}, start: exact}'
    """
    return yaml.dump(plain, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10**6).strip()


def mapping(node: yaml.Node | None, source: str, allowed: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
    """Key → node, every key allowed and standing once.

    Raises:
        RecipeError: it is no mapping, or has an unknown or a repeated key, with the line and the nearest known key.
    """
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{what} takes fields", where=place(node, source), hint=f"fields: {', '.join(allowed) or 'none'}")
    found: dict[str, yaml.Node] = {}
    for key, content in node.value:
        if key.value not in allowed:
            hint = did_you_mean(str(key.value), allowed) if allowed else f"{what} takes no fields"
            raise RecipeError(f"{what} has no field {key.value!r}", where=place(key, source), hint=hint)
        if key.value in found:
            raise RecipeError(f"{key.value!r} stands twice", where=place(key, source), hint="keep one of them")
        found[key.value] = content
    return found


def find(node: yaml.Node | None, path: list[str]) -> yaml.Node | None:
    """The node of the field at `path`, or the nearest above it."""
    for key, content in node.value if isinstance(node, yaml.MappingNode) and path else ():
        if key.value == path[0]:
            return find(content, path[1:])
    return node


def seek(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The node of the field of this name, however deep it stands; None where there is none."""
    for word, content in node.value if isinstance(node, yaml.MappingNode) else ():
        found = word if word.value == key else seek(content, key)
        if found is not None:
            return found
    return None


def place(node: yaml.Node | None, source: str) -> str:
    """Where a node stands: `source, line 3`."""
    return _place(source, node and node.start_mark)


def _place(source: str, mark: Any) -> str:
    return source if mark is None else f"{source}, line {mark.line + 1}"
