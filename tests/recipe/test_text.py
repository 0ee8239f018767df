"""YAML ⇄ Recipe, one to one, and complaints that name the line, the field and the nearest known word."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import RecipeError
from laconic.methods.distill import Distill
from laconic.methods.factorize import Factorize
from laconic.methods.finetune import Finetune
from laconic.methods.fold import Fold
from laconic.methods.fuse import Fuse
from laconic.methods.half import Half
from laconic.methods.int4 import Int4
from laconic.methods.int8 import Int8
from laconic.methods.prune import Prune
from laconic.methods.prune_blocks import PruneBlocks
from laconic.methods.prune_channels import PruneChannels
from laconic.methods.quantize import Quantize
from laconic.methods.replace import Replace
from laconic.methods.share import Share
from laconic.methods.squeeze import Squeeze
from laconic.methods.step import Step
from laconic.methods.transfer import Transfer
from laconic.recipe import STEPS, Recipe, load_recipe, parse, schema, write
from laconic.recipe.text import presets
from laconic.train import Training

PATTERNS = st.text(min_size=1, max_size=8)
SHARES = st.floats(0, 1, exclude_max=True)
TRAINING: dict[str, st.SearchStrategy[Any]] = {
    "epochs": st.integers(0, 10**6),
    "lr": st.floats(0, 10, exclude_min=True),
    "batch": st.integers(1, 10**6),
    "optimizer": st.sampled_from(["sgd", "adam"]),
    "weight_decay": st.floats(0, 10),
    "schedule": st.sampled_from(["cosine", "constant", "step"]),
    "warmup": SHARES,
    "shift": st.integers(0, 9),
    "flip": st.booleans(),
    "accumulate": st.integers(1, 10**6),
    "average": st.sampled_from([None, "ema", "swa"]),
    "mixup": st.floats(0, 10),
    "cutmix": st.floats(0, 10),
    "precision": st.sampled_from(["full", "mixed"]),
    "decay_depthwise": st.booleans(),
    "clip": st.none() | st.floats(0, 10, exclude_min=True),
}
TARGETS = st.sampled_from([None, "labels", "original", "both"])


def tables(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.dictionaries(PATTERNS, values, min_size=1, max_size=3)


PRUNES = st.one_of(
    st.builds(Prune, sparsity=tables(SHARES), curve=st.sampled_from(["cubic", "linear"])),
    st.builds(Prune, quality=tables(st.floats(0, 5))),
    st.builds(Prune, pattern=st.sampled_from(["2:4", "1:8"])),
    st.builds(Prune, sparsity=SHARES, pattern=st.just("4x1")),
    st.builds(Prune, sparsity=SHARES, compensate=st.just(True), samples=st.integers(1, 10**6)),
    st.builds(
        Prune,
        sparsity=SHARES,
        scope=st.just("global"),
        rounds=st.integers(1, 99),
        training=st.builds(Training, **TRAINING | {"epochs": st.just(3)}),
    ),
)
CHANNEL_PRUNINGS = st.one_of(
    st.builds(
        PruneChannels,
        macs=st.floats(0, 1, exclude_min=True),
        criterion=st.sampled_from(["l1", "l2", "fpgm", "bn", "taylor", "activation", "random"]),
        scope=st.sampled_from(["global", "layer"]),
        multiple=st.integers(1, 64),
    ),
    st.builds(PruneChannels, ratio=SHARES, rounds=st.integers(1, 99), training=st.builds(Training, **TRAINING | {"epochs": st.just(3)})),
)
BLOCK_PRUNINGS = st.one_of(
    st.builds(PruneBlocks, blocks=st.integers(1, 99), samples=st.integers(1, 10**6)),
    st.builds(PruneBlocks, blocks=st.dictionaries(st.sampled_from(["layer1*", "*.conv2"]), st.integers(1, 99), min_size=1)),
    st.builds(PruneBlocks, latency=st.floats(0, 1, exclude_min=True)),
)
FACTORINGS = st.one_of(
    st.builds(
        Factorize,
        macs=st.floats(0, 1, exclude_min=True),
        multiple=st.integers(1, 64),
        kind=st.sampled_from(["auto", "svd", "spatial", "tucker", "separable"]),
    ),
    st.builds(Factorize, rank=tables(st.integers(1, 99)), kind=st.just("cp"), samples=st.integers(0, 99)),
    st.builds(Factorize, vbmf=st.just(True)),
)
REPLACEMENTS = st.one_of(
    st.builds(
        Replace,
        **TRAINING,
        block=st.just("bottleneck"),
        start=st.sampled_from(["trained", "scratch"]),
        reduction=st.floats(1, 99),
        samples=st.integers(1, 10**6),
        iterations=st.integers(0, 10**6),
    ),
    st.builds(Replace, block=st.just("grouped"), groups=st.integers(2, 99)),
    st.builds(Replace, block=st.just("inverted"), expansion=st.integers(2, 99)),
    st.builds(
        Replace,
        block=st.dictionaries(st.text(min_size=1), st.just("fire"), min_size=1, max_size=3),
        squeeze=st.floats(0, 1, exclude_min=True),
    ),
)
SHARINGS = st.builds(Share, bits=tables(st.integers(1, 12)), start=st.sampled_from(["linear", "density", "random", "exact"]))
FINETUNES = st.one_of(
    st.builds(Finetune, **TRAINING, targets=TARGETS),
    st.builds(Finetune, shift=st.integers(1, 9), views=st.integers(0, 99)),
    st.builds(Finetune, smoothing=SHARES, patience=st.integers(1, 99), average=st.just("ema"), decay=st.floats(0.1, 0.9)),
)
DISTILLATIONS = st.one_of(
    st.builds(Distill, **TRAINING, temperature=st.floats(0.1, 50), weight=st.floats(0, 9), labels=st.booleans()),
    st.builds(Distill, teacher=st.just("zoo:resnet20"), teacher_weights=st.text(min_size=1)),
    st.builds(
        Distill,
        final_temperature=st.floats(0.1, 50),
        final_weight=st.floats(0, 9),
        match=st.sampled_from([None, "soft", "mse"]),
        teacher=st.just(("original", "self", "nets.py:build")),
        teacher_weights=st.just("") | st.tuples(st.just(""), st.just(""), st.text()),
        combine=st.sampled_from(["mean", "geometric", "vote"]),
        shares=st.just(()) | st.tuples(*[st.floats(0, 9, exclude_min=True)] * 3),
        layers=st.just("auto") | st.dictionaries(PATTERNS, PATTERNS, min_size=1, max_size=3),
        **dict.fromkeys(("attention", "similarity", "relations"), st.floats(0, 9)),
        hints=st.floats(0, 9, exclude_min=True),
        hint_epochs=st.integers(0, 99),
        scratch=st.booleans(),
    ),
    st.builds(Distill, assistants=st.integers(0, 9) | st.lists(st.text(), max_size=3).map(tuple), cache=st.text()),
    st.builds(Distill, mutual=st.just(True), attention=st.floats(0, 9)),
)
QUANTIZATIONS = st.one_of(
    st.builds(Quantize, bits=st.floats(0, 12, exclude_min=True), samples=st.integers(1, 10**6)),
    st.builds(Quantize, bytes=st.integers(1, 10**12)),
    st.builds(Quantize, drop=st.floats(0, 99)),
)
SQUEEZINGS = st.one_of(
    st.builds(Squeeze, **TRAINING, bytes=st.integers(1, 10**12), weight=st.floats(0, 9), temperature=st.floats(0.1, 50)),
    st.builds(Squeeze, bits=st.floats(0, 32, exclude_min=True), ramp=st.floats(0, 1, exclude_min=True)),
)
INTEGERS = st.one_of(
    st.builds(
        Int8,
        bits=st.integers(2, 8),
        calibration=st.sampled_from(["mse", "minmax", "percentile", "entropy"]),
        percentile=st.floats(50, 100),
        rounding=st.sampled_from(["nearest", "adaptive"]),
        equalize=st.booleans(),
        correct=st.sampled_from([True, False, "spread"]),
    ),
    st.builds(Int8, training=st.builds(Training, **TRAINING), learn=st.sampled_from(["lsq", "pact"]), samples=st.integers(1, 10**6)),
)
BY_CLASS: dict[type[Step], st.SearchStrategy[Step]] = {
    Prune: PRUNES,
    PruneChannels: CHANNEL_PRUNINGS,
    PruneBlocks: BLOCK_PRUNINGS,
    Factorize: FACTORINGS,
    Transfer: st.builds(
        Transfer, kind=tables(st.sampled_from(["crelu", "mba", "flip", "c4", "circulant", "dcnn"])), samples=st.integers(0, 99)
    ),
    Replace: REPLACEMENTS,
    Share: SHARINGS,
    Finetune: FINETUNES,
    Distill: DISTILLATIONS,
    Fold: st.just(Fold()),
    Quantize: QUANTIZATIONS,
    Squeeze: SQUEEZINGS,
    Int8: INTEGERS,
    Int4: st.builds(Int4, group=st.sampled_from([16, 32, 64, 128, 256])),
    Half: st.builds(Half, format=st.sampled_from(["bf16", "fp16"])),
    Fuse: st.builds(Fuse, measured=st.booleans()),
}
ANY = st.one_of(*BY_CLASS.values())


def test_every_step_is_drawn_in_these_tests() -> None:
    assert set(BY_CLASS) == set(STEPS.values())


@given(ANY, st.integers(0, 2**63))
def test_a_step_written_and_read_is_the_same(step: Step, seed: int) -> None:
    recipe = Recipe((step,), seed)
    assert parse(write(recipe)) == recipe
    assert write(parse(write(recipe))) == write(recipe)


@given(ANY)
def test_a_step_prints_itself_as_its_line(step: Step) -> None:
    assert str(step).startswith(f"{step.word()}: {{")
    assert str(step).endswith("}")


@pytest.mark.parametrize(
    "word", ["0E0", "1e-3", "1", "yes", "null", "~", "\x85", "\u2028", "\ufeff", "a: b", "- c", "#d", "'", "2024-01-01", "ü*"]
)
def test_words_that_yaml_reads_in_its_own_way_survive(word: str) -> None:
    recipe = Recipe((Share(bits={word: 3}),))
    assert parse(write(recipe)) == recipe


def test_defaults_are_not_said_however_they_were_given() -> None:
    assert str(Finetune(lr=float("0.01"), epochs=1, schedule="".join(["co", "sine"]))) == "finetune: {epochs: 1}"  # type: ignore[arg-type]
    assert write(Recipe((Share(bits=5),))) == "seed: 0\nsteps:\n  - share: {bits: 5}\n"


def test_a_plain_printed_step_is_yaml() -> None:
    for step in (
        Prune(sparsity=0.9, rounds=3, training=Training(epochs=2, flip=True)),
        Share(bits={"conv*": 8}),
        Fold(),
        Finetune(epochs=0),
    ):
        assert parse(f"steps:\n- {step}").steps == (step,)


@given(st.lists(FINETUNES | PRUNES, max_size=4), st.integers(0, 9))
def test_a_recipe_written_and_read_is_the_same(steps: list[Step], seed: int) -> None:
    steps = [step for step in steps if not (isinstance(step, Prune) and step.training)]
    recipe = Recipe(tuple(steps), seed)
    assert parse(write(recipe)) == recipe


@pytest.mark.parametrize("word", STEPS)
def test_a_word_is_the_name_of_its_class_and_of_its_file(word: str) -> None:
    step = STEPS[word]
    assert step.word() == word
    file = word.replace("-", "_")
    assert step.__module__ in (f"laconic.methods.{file}", f"laconic.methods.{file}.{file}")
    assert step.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert dataclasses.is_dataclass(step)
    assert step.__doc__
    assert step.plan is not Step.plan
    assert step.takes is not Step.takes


def test_all_the_ways_to_say_nothing() -> None:
    wanted = Recipe((Fold(), Fold(), Fold(), Share()))
    assert parse("steps: [fold, fold: , {fold: {}}, share]") == wanted
    assert parse("steps: []") == Recipe()


def test_numbers_as_people_write_them() -> None:
    step = parse("steps: [finetune: {lr: 1e-3, weight_decay: 5E-4, epochs: 2}]").steps[0]
    assert step == Finetune(lr=0.001, weight_decay=0.0005, epochs=2)
    assert parse("steps: [prune: {sparsity: 0}]").steps == (Prune(sparsity=0.0),)
    assert parse("steps: [share: {bits: {1: 8, 2.weight: 4}}]").steps == (Share(bits={"1": 8, "2.weight": 4}),)


# text, line, a word of the complaint, a word of the hint
BROKEN = [
    ("steps: [prun: {sparsity: 0.9}]", 1, "no step 'prun'", "did you mean prune?"),
    ("steps:\n  - zip\n", 2, "no step 'zip'", "known: distill, factorize"),
    ("steps:\n  - fold\n  - prune: {sparsty: 0.9}", 3, "no field 'sparsty'", "did you mean sparsity?"),
    (
        "steps:\n  - prune:\n      sparsity: 0.9\n      training: {epoch: 3}",
        4,
        "prune.training.epoch: no such field",
        "did you mean epochs?",
    ),
    ("steps:\n  - prune:\n      sparsity: 1.5", 3, "sparsity is a share", ""),
    ("steps:\n  - prune:\n      sparsity: '0.5'", 3, "prune.sparsity", ""),
    ("steps:\n  - prune: {sparsity: {conv*: a lot}}", 2, "prune.sparsity.conv*", ""),
    ("steps:\n  - prune: {sparsity: 0.5, rounds: 2.5}", 2, "prune.rounds", ""),
    ("steps:\n  - prune: {sparsity: 0.5, scope: everywhere}", 2, "prune.scope: should be 'layer' or 'global', got 'everywhere'", ""),
    (
        "steps:\n  - int8: {correct: sread}",
        2,
        "int8.correct: should be a valid boolean or 'spread', got 'sread'",
        "true or false, or spread",
    ),
    (
        "steps:\n  - prune-channels: {macs: 0.5, multiple: all}",
        2,
        "should be a valid integer or 'measured'",
        "without quotation marks: 5, or measured",
    ),
    ("steps:\n  - prune: {sparsity: 0.5, rounds: 2}", 2, "needs training", "training: {epochs"),
    ("steps:\n  - prune", 2, "say either sparsity or quality", "prune: {sparsity: 0.9}"),
    ("steps:\n  - prune: {quality: 1.0, sparsity: 0.5}", 2, "say either sparsity or quality", ""),
    ("steps:\n  - prune: {sparsity: .nan}", 2, "sparsity is a share", ""),
    ("steps:\n  - share: {bits: 16}", 2, "bits must lie between 1 and 12", ""),
    ("steps:\n  - share: {bits: 5.0}", 2, "share.bits", ""),
    ("steps:\n  - share: {bits: true}", 2, "share.bits", ""),
    ("steps:\n  - finetune: {lr: .inf}", 2, "lr cannot be inf", ""),
    ("steps:\n  - finetune: {lr: 0}", 2, "lr cannot be 0", ""),
    ("steps:\n  - finetune:\n      epochs: 3\n      flip: 1", 4, "finetune.flip", ""),
    ("steps:\n  - finetune:\n      epochs: 3\n      epochs: 4", 4, "'epochs' stands twice", ""),
    ("steps:\n  - fold: {all: true}", 2, "no field 'all'", ""),
    ("steps:\n  - fold: 3", 2, "fold takes fields", ""),
    ("steps:\n  - fold: []", 2, "fold takes fields", ""),
    ("steps:\n  - prune: {sparsity: 0.5}\n    share: {bits: 5}", 2, "one word with its fields", "- prune"),
    ("steps:\n  - [fold]", 2, "one word with its fields", ""),
    ("steps:\n  - {[fold]: 1}", 2, "one word with its fields", ""),
    ("steps:\n  - share\n  - share", 3, "share takes dense or masked weights", "put share before step 1 (share)"),
    ("steps:\n  - share: {bits: 4}\n  - finetune\n  - fold", 4, "and every weight is codebook after step 1 (share)", ""),
    ("seed: 1\nstep: []", 2, "a recipe has no field 'step'", "did you mean steps?"),
    ("seed: -1\nsteps: []", 1, "seed must be a whole number", ""),
    ("seed: 1.5\nsteps: []", 1, "seed must be a whole number", ""),
    ("seed: yes\nsteps: []", 1, "seed must be a whole number", ""),
    ("seed: 1\nseed: 2\nsteps: []", 2, "'seed' stands twice", ""),
    ("seed: 3", 0, "lists its steps", "steps:"),
    ("steps: fold", 0, "lists its steps", ""),
    ("", 0, "a recipe takes fields", "seed, steps"),
    ("- fold", 1, "a recipe takes fields", ""),
    ("steps: [fold", 1, "not YAML", ""),
    ("steps:\n\t- fold", 2, "not YAML", ""),
    ("steps: []\n---\nsteps: []", 2, "not YAML", ""),
    ("steps:\n  - finetune: {epochs: !!python/object/apply:os.system [ls]}", 2, "no plain value", ""),
    ("steps:\n  - finetune: &a {epochs: *a}", 2, "no plain value", ""),
    ("steps:\n  - finetune: {epochs: 2024-99-99}", 2, "no plain value", ""),
    ("steps:\n  - share: {bits: {? [a] : 1}}", 2, "no plain value", ""),
]


@pytest.mark.parametrize(("text", "line", "complaint", "hint"), BROKEN, ids=[text.replace("\n", "|")[:60] for text, *_ in BROKEN])
def test_a_broken_recipe_is_refused_with_line_field_and_help(text: str, line: int, complaint: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(text, "my.yaml")
    assert complaint in caught.value.what
    assert caught.value.where.startswith(f"my.yaml, line {line}" if line else "my.yaml")
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", presets())
def test_presets_load_and_survive(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.steps
    assert parse(write(recipe)) == recipe


def test_a_mistyped_preset_is_recognised() -> None:
    with pytest.raises(RecipeError, match="no preset 'deep-compresion'") as caught:
        load_recipe("deep-compresion")
    assert caught.value.hint == "did you mean deep-compression?"


def test_a_file_is_read_and_named_in_complaints(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("steps: [share: {bits: 3}]", encoding="utf-8")
    assert load_recipe(str(path)) == Recipe((Share(bits=3),))
    path.write_text("steps:\n  - shar\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    assert caught.value.where == f"{path}, line 2"
    path.write_bytes(b"steps: [\xff\xfe]")
    with pytest.raises(RecipeError, match="UTF-8"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match="no such recipe file"):
        load_recipe(str(tmp_path / "none.yml"))


KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None)}
USED = {"$ref", "anyOf", "enum", "const", "type", "properties", "required", "additionalProperties", "items", "minimum"}


def fits(value: Any, rule: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """Whether a value fits a JSON Schema, of which pydantic and we use this much."""
    assert rule.keys() <= USED | {"title", "description", "default", "$schema", "$defs"}, rule.keys()
    if "$ref" in rule:
        return fits(value, definitions[rule["$ref"].removeprefix("#/$defs/")], definitions)
    if "anyOf" in rule:
        return any(fits(value, choice, definitions) for choice in rule["anyOf"])
    kind = rule.get("type")
    wrong = "enum" in rule and value not in rule["enum"]
    wrong |= kind is not None and (not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"))
    wrong = wrong or ("minimum" in rule and value < rule["minimum"])
    if wrong or not isinstance(value, list | dict):
        return not wrong
    if isinstance(value, list):
        return all(fits(item, rule.get("items", {}), definitions) for item in value)
    fields, rest = rule.get("properties", {}), rule.get("additionalProperties", {})
    inside = all(
        fits(v, fields[k], definitions) if k in fields else rest is not False and fits(v, rest, definitions) for k, v in value.items()
    )
    return inside and all(name in value for name in rule.get("required", ()))


def valid(text: str) -> bool:
    rules = schema()
    return fits(yaml.safe_load(text), rules, rules["$defs"])


@given(ANY)
def test_the_schema_takes_what_parse_takes(step: Step) -> None:
    assert valid(write(Recipe((step,))))


@pytest.mark.parametrize("name", presets())
def test_the_schema_takes_the_presets(name: str) -> None:
    assert valid(write(load_recipe(name)))
    assert valid("steps: [fold, fold: , share]")


@pytest.mark.parametrize(
    "text",
    [
        "seed: 3",
        "seed: -1\nsteps: []",
        "steps: [zip]",
        "steps: [zip: {}]",
        "steps: [prune: {sparsty: 0.9}]",
        "steps: [prune: {sparsity: [1]}]",
        "steps: [share: {bits: a}]",
        "steps: [finetune: {flip: 1}]",
        "steps: [prune: {sparsity: 0.5, training: {epoch: 3}}]",
        "steps: [prune: {sparsity: 0.5, scope: everywhere}]",
        "steps: [{fold: {}, share: {}}]",
        "step: []",
    ],
)
def test_the_schema_refuses_what_an_editor_should_underline(text: str) -> None:
    assert not valid(text)
