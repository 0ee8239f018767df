"""YAML ⇄ Recipe, one to one. Every complaint names the line, the field and what is allowed.

seed: 0
steps:
  - prune: {sparsity: 0.9}
  - finetune: {epochs: 3, lr: 0.01}
  - share: {bits: 5}
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pydantic
import yaml
from pydantic_core import ErrorDetails

from laconic.base.errors import RecipeError
from laconic.base.words import did_you_mean
from laconic.methods.step import Step
from laconic.recipe.legality import check_order
from laconic.recipe.nodes import compose, find, line, mapping, place, seek, value
from laconic.recipe.recipe import Recipe
from laconic.recipe.table import STEPS

_HINTS = {
    "float_type": "a number without quotation marks and signs: 0.9",
    "int_type": "a whole number without quotation marks: 5",
    "int_from_float": "a whole number: 5",
    "bool_type": "true or false",
    "dataclass_type": "fields in braces: {epochs: 3, lr: 0.01}",
}

PRESETS = resources.files("laconic.recipe") / "presets"


def load_recipe(name: str) -> Recipe:
    """A recipe from a file, or the preset of that name.

    Raises:
        RecipeError: no such file or preset, or a recipe that cannot run.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if name not in presets():
            raise RecipeError(f"there is no preset {name!r}", hint=did_you_mean(name, presets()))
        return parse((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"), f"preset {name}")
    if not path.is_file():
        raise RecipeError("there is no such recipe file", where=name, hint=f"a .yaml file, or a preset: {', '.join(presets())}")
    try:
        return parse(path.read_text(encoding="utf-8"), name)
    except UnicodeDecodeError as cause:
        raise RecipeError("a recipe is UTF-8 text, and this file is not", where=name) from cause


def presets() -> list[str]:
    """The names of the recipes that ship with laconic."""
    return sorted(entry.name.removesuffix(".yaml") for entry in PRESETS.iterdir() if entry.name.endswith(".yaml"))


def parse(text: str, source: str = "recipe") -> Recipe:
    """The recipe that a YAML text says, its order checked.

    Raises:
        RecipeError: with the line, the field, the allowed values and the nearest known word.
    """
    root = compose(text, source)
    top = mapping(root, source, ("seed", "steps"), "a recipe")
    seed = value(top["seed"], source) if "seed" in top else 0
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise RecipeError(f"seed must be a whole number from 0, got {seed!r}", where=place(top["seed"], source), hint="seed: 0")
    listed = top.get("steps")
    if not isinstance(listed, yaml.SequenceNode):
        hint = "steps: [prune: {sparsity: 0.9}, share]"
        raise RecipeError("a recipe lists its steps under `steps:`", where=place(listed or root, source), hint=hint)
    steps: list[Step] = []
    for node in listed.value:
        steps.append(_step(node, source))
        with _placed(node, source):
            check_order(steps)
    return Recipe(tuple(steps), seed)


def write(recipe: Recipe) -> str:
    """The recipe as YAML; `parse` gives it back equal."""
    lines = [f"seed: {recipe.seed}", "steps:" if recipe.steps else "steps: []"]
    lines += [f"  - {step.word()}: {line(step.said())}" for step in recipe.steps]
    return "\n".join(lines) + "\n"


def _step(node: yaml.Node, source: str) -> Step:
    """`word`, or `word: {field: value, …}`."""
    if isinstance(node, yaml.ScalarNode) and node.value:
        return _build(node, None, source)
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1 and isinstance(node.value[0][0], yaml.ScalarNode):
        word, content = node.value[0]
        return _build(word, content, source)
    raise RecipeError("a step is one word with its fields", where=place(node, source), hint="- prune: {sparsity: 0.9}")


def _build(word: yaml.ScalarNode, node: yaml.Node | None, source: str) -> Step:
    if word.value not in STEPS:
        raise RecipeError(f"there is no step {word.value!r}", where=place(word, source), hint=did_you_mean(word.value, STEPS))
    said = None if node is None else value(node, source)
    if said is not None:
        mapping(node, source, tuple(f.name for f in fields(STEPS[word.value])), word.value)
    try:
        with _placed(node or word, source):  # strict from JSON: no "5" for 5, but objects become dataclasses
            return pydantic.TypeAdapter(STEPS[word.value]).validate_json(_json(said or {}))
    except pydantic.ValidationError as cause:
        raise _explain(cause, word.value, node, source) from cause


def _json(said: Any) -> str:
    try:
        return json.dumps(said, default=str)
    except (ValueError, TypeError) as cause:  # a structure that contains itself, a key that is no word
        raise RecipeError(f"this is no plain value: {cause}") from cause


@contextmanager
def _placed(node: yaml.Node, source: str) -> Iterator[None]:
    """Put the place in the text before the place that an error names already: the line of its field, where it ends with one."""
    try:
        yield
    except RecipeError as cause:
        where = place(seek(node, cause.where.rpartition(", ")[2]) or node, source)
        raise RecipeError(cause.what, where=f"{where}, {cause.where}" if cause.where else where, hint=cause.hint) from cause


def _explain(cause: pydantic.ValidationError, word: str, node: yaml.Node | None, source: str) -> RecipeError:
    """What is said of the field that stands deepest, with its line; of a field of several kinds, what each would take."""
    errors = cause.errors(include_url=False)
    error = max(errors, key=lambda e: len(e["loc"]))
    shown = _shown(error)
    field, where = ".".join([word, *shown]), place(find(node, shown), source)
    if error["type"] == "unexpected_keyword_argument":
        return RecipeError(f"{field}: no such field", where=where, hint=did_you_mean(shown[-1], _fields(word, shown[:-1])))
    kinds = [other for other in errors if _shown(other) == shown and len(other["loc"]) == len(error["loc"])]
    first, *others = dict.fromkeys(map(_wanted, kinds))
    wanted = " or ".join((first, *(other.removeprefix("should be ") for other in others)))
    hint = ", or ".join(filter(None, dict.fromkeys(map(_hint, kinds))))
    return RecipeError(f"{field}: {wanted}, got {error['input']!r}", where=where, hint=hint)


def _shown(error: ErrorDetails) -> list[str]:
    """The path to the field that it is about, as the text has it."""
    return [part for part in map(str, error["loc"]) if not re.search(r"[\[(]|^(int|float|str|bool)$", part)]


def _wanted(error: ErrorDetails) -> str:
    return "should be a table of layers" if error["type"] == "dict_type" else error["msg"].removeprefix("Input ").lower()


def _hint(error: ErrorDetails) -> str:
    allowed = re.findall(r"'(\w+)'", error["msg"]) if error["type"] == "literal_error" else []
    if len(allowed) == 1:  # beside other kinds
        return allowed[0]
    return did_you_mean(str(error["input"]), allowed) if allowed else _HINTS.get(error["type"], "")


def _fields(word: str, path: list[str]) -> list[str]:
    """The fields of the dataclass at this path below a step."""
    kind: Any = STEPS[word]
    for part in path:
        hint = get_type_hints(kind)[part]
        kind = next(choice for choice in (hint, *get_args(hint)) if is_dataclass(choice))
    return [field.name for field in fields(kind)]
