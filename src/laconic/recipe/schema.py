"""JSON Schema of a recipe, for editors that complete and check YAML."""

from typing import Any

import pydantic

from laconic.recipe.table import STEPS


def schema() -> dict[str, Any]:
    """Every recipe that `parse` takes fits it; which order of steps is legal it cannot say."""
    definitions: dict[str, Any] = {}
    for word, step in STEPS.items():
        described = pydantic.TypeAdapter(step).json_schema(ref_template="#/$defs/{model}")
        definitions |= described.pop("$defs", {})
        definitions[word] = described
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "laconic recipe",
        "type": "object",
        "properties": {
            "seed": {"type": "integer", "minimum": 0},
            "steps": {"type": "array", "items": {"anyOf": [*map(_step, STEPS), {"enum": list(STEPS)}]}},
        },
        "required": ["steps"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _step(word: str) -> dict[str, Any]:
    """`word: {field: value, …}`, or `word:` with nothing behind it."""
    fields = {"anyOf": [{"$ref": f"#/$defs/{word}"}, {"type": "null"}]}
    return {"type": "object", "properties": {word: fields}, "required": [word], "additionalProperties": False}
