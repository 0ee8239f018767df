"""YAML ⇄ Recipe, one to one. Every complaint names the line, the field and what is allowed.

seed: 0
steps:
  - prune: {sparsity: 0.9}
  - finetune: {epochs: 3, lr: 0.01}
  - share: {bits: 5}
"""

import json
import re
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import pydantic
import yaml

from laconic.base.errors import RecipeError
from laconic.base.words import did_you_mean
from laconic.methods.step import Step
from laconic.recipe.legality import check_order
from laconic.recipe.recipe import Recipe
from laconic.recipe.table import STEPS

PRESETS = resources.files("laconic.recipe") / "presets"
MAP = "tag:yaml.org,2002:map"


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as people write it: 1e-3 is a number, and a key that stands twice is an error."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def load_recipe(name: str) -> Recipe:
    """A recipe from a file, or the preset of that name.

    Raises:
        RecipeError: no such file or preset, or a recipe that cannot run.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise RecipeError("there is no such recipe file", where=name)
        return parse(path.read_text(encoding="utf-8"), str(path))
    if name not in presets():
        raise RecipeError(f"there is no preset {name!r}", hint=did_you_mean(name, presets()))
    return parse((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"), f"preset {name}")


def presets() -> list[str]:
    """The names of the recipes that ship with laconic."""
    return sorted(entry.name.removesuffix(".yaml") for entry in PRESETS.iterdir() if entry.name.endswith(".yaml"))


def parse(text: str, source: str = "recipe") -> Recipe:
    """The recipe that a YAML text says, its order checked.

    Raises:
        RecipeError: with the line, the field, the allowed values and the nearest known word.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        raise RecipeError(f"this is not YAML: {getattr(cause, 'problem', cause)}", where=_place(source, mark)) from cause
    top = _mapping(root, source, ("seed", "steps"), "a recipe")
    seed = _value(top["seed"]) if "seed" in top else 0
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise RecipeError(f"seed must be a whole number from 0, got {seed!r}", where=_place(source, top["seed"].start_mark))
    listed = top.get("steps")
    if not isinstance(listed, yaml.SequenceNode):
        raise RecipeError("a recipe lists its steps under `steps:`", where=source, hint="steps:\n           - prune: {sparsity: 0.9}")
    steps = tuple(_parse_step(node, source) for node in listed.value)
    check_order(steps)
    return Recipe(steps, seed)


def _parse_step(node: yaml.Node, source: str) -> Step:
    place = _place(source, node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        return _build(node.value, None, source, place)
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        raise RecipeError("a step is one word with its fields", where=place, hint="- prune: {sparsity: 0.9}")
    key, fields_node = node.value[0]
    return _build(key.value, fields_node, source, place)


def _build(word: str, node: yaml.Node | None, source: str, place: str) -> Step:
    if word not in STEPS:
        raise RecipeError(f"there is no step {word!r}", where=place, hint=did_you_mean(word, STEPS))
    empty = node is None or (isinstance(node, yaml.ScalarNode) and _value(node) is None)
    if node is not None and not empty:
        _mapping(node, source, tuple(f.name for f in fields(STEPS[word])), word)
    said = json.dumps({} if empty else _value(node), default=str)  # strict from JSON: no "5" for 5, but objects become dataclasses
    try:
        return pydantic.TypeAdapter(STEPS[word]).validate_json(said)
    except pydantic.ValidationError as cause:
        raise _explain(cause, word, node, source) from cause
    except RecipeError as cause:
        raise RecipeError(cause.what, where=f"{place}, {word}", hint=cause.hint) from cause


def _explain(cause: pydantic.ValidationError, word: str, node: yaml.Node | None, source: str) -> RecipeError:
    """The first complaint about the field that stands deepest, with its line."""
    error = max(cause.errors(include_url=False), key=lambda e: len(e["loc"]))
    path = [str(part) for part in error["loc"]]
    shown = [part for part in path if not re.search(r"[\[(]|^(int|float|str|bool)$", part)]
    found = "" if error["type"] in ("missing", "unexpected_keyword_argument") else f", got {error['input']!r}"
    message = "no such field" if error["type"] == "unexpected_keyword_argument" else error["msg"].removeprefix("Input ").lower()
    return RecipeError(f"{'.'.join([word, *shown])}: {message}{found}", where=_place(source, _find(node, shown)))


def _find(node: yaml.Node | None, path: list[str]) -> Any:
    """The mark of the field at `path`, or of the nearest node above it."""
    if node is None:
        return None
    for key, value in node.value if isinstance(node, yaml.MappingNode) and path else ():
        if key.value == path[0]:
            return _find(value, path[1:])
    return node.start_mark


def _mapping(node: yaml.Node | None, source: str, allowed: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
    """Key → node, every key known and standing once."""
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(
            f"{what} takes fields", where=_place(source, node and node.start_mark), hint=f"fields: {', '.join(allowed) or 'none'}"
        )
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        place = _place(source, key.start_mark)
        if key.value not in allowed:
            raise RecipeError(f"{what} has no field {key.value!r}", where=place, hint=did_you_mean(str(key.value), allowed))
        if key.value in found:
            raise RecipeError(f"{key.value!r} stands twice", where=place)
        found[key.value] = value
    return found


def _value(node: yaml.Node | None) -> Any:
    """The plain value of a node; only safe, standard types."""
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _place(source: str, mark: Any) -> str:
    return source if mark is None else f"{source}, line {mark.line + 1}"


def write(recipe: Recipe) -> str:
    """The recipe as YAML; `parse` gives it back equal."""
    lines = [f"seed: {recipe.seed}", "steps:" if recipe.steps else "steps: []"]
    for step in recipe.steps:
        said = yaml.safe_dump(step.said(), default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True).strip()
        lines.append(f"  - {step.word()}: {said}")
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema of a recipe, for editors."""
    definitions: dict[str, Any] = {}
    variants = []
    for word, step in STEPS.items():
        described = pydantic.TypeAdapter(step).json_schema(ref_template="#/$defs/{model}")
        definitions |= described.pop("$defs", {})
        definitions[word] = described
        variants.append(
            {"type": "object", "properties": {word: {"$ref": f"#/$defs/{word}"}}, "required": [word], "additionalProperties": False}
        )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "laconic recipe",
        "type": "object",
        "properties": {
            "seed": {"type": "integer", "minimum": 0},
            "steps": {"type": "array", "items": {"anyOf": [*variants, {"enum": list(STEPS)}]}},
        },
        "required": ["steps"],
        "additionalProperties": False,
        "$defs": definitions,
    }
