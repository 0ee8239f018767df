"""Every order of steps runs, or is refused at once and with the reason."""

import itertools
from collections.abc import Mapping

import pytest
from torch import nn

from laconic.base.errors import BudgetError, RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
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
from laconic.methods.step import KEEPS, Step
from laconic.methods.transfer import Transfer
from laconic.nn import weights
from laconic.recipe import STEPS, check_order
from laconic.train import Training

SHORT = Training(epochs=1, batch=32)
EVERY: dict[str, Step] = {
    "prune": Prune(sparsity=0.5),
    "prune gradually": Prune(sparsity=0.8, rounds=2, training=SHORT),
    "prune some": Prune(quality={"fc": 0.5}),
    "prune channels": PruneChannels(ratio=0.3, criterion="l2"),
    "prune blocks": PruneBlocks(blocks=1, samples=32),
    "factorize": Factorize(rank={"block.*": 2}, kind="svd", samples=32),
    "transfer": Transfer(kind={"stem": "flip"}, samples=32),
    "replace": Replace(epochs=1, batch=32, block={"block.*": "bottleneck"}, samples=32, iterations=1),
    "share": Share(bits=3),
    "share some": Share(bits={"block.*": 2}),
    "fold": Fold(),
    "finetune": Finetune(epochs=1, batch=32),
    "distill": Distill(epochs=1, batch=32),
    "quantize": Quantize(bits=6.0, samples=32),
    "squeeze": Squeeze(epochs=1, batch=32, bits=16.0),
    "int8": Int8(samples=32),
    "int4": Int4(),
    "half": Half(),
    "fuse": Fuse(measured=False),
}
PRUNED, SHARED = ("prune", "prune gradually", "prune some"), ("share", "share some")
REFUSED = {
    ("share", "share"),
    ("share", "share some"),
    ("share some", "share"),
    ("share some", "share some"),
    ("share", "fold"),
    ("share some", "fold"),
    ("share", "prune gradually"),
    ("share some", "prune gradually"),
    ("share", "quantize"),
    ("share some", "quantize"),
    ("quantize", "prune"),
    ("quantize", "prune gradually"),
    ("quantize", "prune some"),
    ("quantize", "share"),
    ("quantize", "share some"),
    ("quantize", "fold"),
    ("share", "prune channels"),
    ("share some", "prune channels"),
    ("quantize", "prune channels"),
    ("squeeze", "prune channels"),
    ("prune", "factorize"),
    ("prune gradually", "factorize"),
    ("share", "factorize"),
    ("share some", "factorize"),
    ("quantize", "factorize"),
    ("squeeze", "factorize"),
    *itertools.product(("prune", "prune gradually", *SHARED, "quantize", "squeeze"), ("replace",)),
    ("share", "squeeze"),
    ("share some", "squeeze"),
    ("squeeze", "prune"),
    ("squeeze", "prune gradually"),
    ("squeeze", "prune some"),
    ("squeeze", "share"),
    ("squeeze", "share some"),
    ("squeeze", "fold"),
    *itertools.product(("prune", "prune gradually", "share", "quantize", "squeeze", "int4"), ("transfer",)),
    *itertools.product(SHARED, ("int8", "half", "fuse")),
    *itertools.product(("quantize", "squeeze"), ("half", "fuse")),
    *itertools.product(("int8", "int4"), (*PRUNED, *SHARED, "half")),
    *itertools.product(("int4",), ("fold", "fuse", "prune channels", "factorize", "replace")),
}
RESTS = {
    *itertools.product(("int8",), ("prune channels", "prune blocks", "factorize", "replace", "fold", "fuse", "int8")),
    *itertools.product(("fuse",), ("prune channels", "prune blocks", "factorize", "replace", "fold")),
    *itertools.product(("fold", "prune channels", "prune blocks", "factorize", "replace", "fuse", "int8"), ("transfer",)),
}  # on the network's structure as the first left it
GONE = {
    *(("prune blocks", second) for second in ("prune blocks", "share some", "factorize", "replace")),
    ("transfer", "transfer"),
}  # the model has one block, and one stem
LEFT = {
    "prune": "masked",
    "prune gradually": "masked",
    "prune some": "masked",
    "share": "codebook",
    "share some": "codebook",
    "quantize": "grid",
    "squeeze": "grid",
    "int8": "grid",
    "int4": "grid",
}
ONLY = {"int4": ["fc.weight"]}  # weights that a step works on for what they are, not for what they are called


def carry_out(steps: list[Step], model: nn.Module, data: Data) -> Network:
    network = Network(model)
    for seed, step in enumerate(steps):
        context = Context(data, model, seed=seed)
        network = step.apply(network, step.plan(network, context), context)
    return network


def test_every_step_of_the_table_is_tried() -> None:
    assert {type(step) for step in EVERY.values()} == set(STEPS.values())


@pytest.mark.parametrize("pair", list(itertools.product(EVERY, repeat=2)), ids=" then ".join)
def test_every_pair_runs_or_is_refused_at_once(pair: tuple[str, str], model: nn.Module, data: Data) -> None:
    steps, names = [EVERY[word] for word in pair], list(weights(model))
    if pair in REFUSED:
        with pytest.raises(RecipeError, match=f"{LEFT[pair[0]]} after step 1") as caught:
            check_order(steps, names)
        assert caught.value.where == f"step 2: {steps[1]}"
        assert "before step 1" in caught.value.hint
        return
    if pair in RESTS:
        for known in (names, None):
            with pytest.raises(RecipeError, match=f"{steps[1].word()} changes the network's structure, on which {steps[0].word()} rests"):
                check_order(steps, known)
        return
    check_order(steps, names)
    check_order(steps)
    if pair in GONE:
        with pytest.raises((RecipeError, BudgetError)):
            carry_out(steps, model, data)
        return
    network = carry_out(steps, model, data)
    for name, form in network.forms.items():
        assert network.array(name).tobytes() == form.array().tobytes()


@pytest.mark.parametrize("word", EVERY)
def test_what_a_step_makes_of_each_form_is_what_it_says(word: str, model: nn.Module, data: Data) -> None:
    step = EVERY[word]
    assert step.takes().keys() <= KEEPS.keys()
    makers: dict[str, list[Step]] = {"dense": [], "masked": [Prune(sparsity=0.2)], "codebook": [Share(bits=4)]}
    makers["grid"] = [Quantize(bits=8.0, samples=32)]
    for kind in step.takes().keys() & makers.keys():
        before = carry_out(makers[kind], model, data)
        after = carry_out([*makers[kind], step], model, data)
        for name in ONLY.get(word, step.touches(list(weights(after.module)))):
            assert before.kind(name) == kind
            assert after.kind(name) == step.takes()[kind]


@pytest.mark.parametrize("between", [[], [Finetune()], [Quantize(bits=4.0), Distill()]], ids=["at once", "later", "much later"])
@pytest.mark.parametrize(
    "second",
    [Fold(), PruneChannels(ratio=0.3), PruneBlocks(blocks=1), Factorize(macs=0.5), Replace(), Fuse(), Transfer(kind="flip")],
    ids=str,
)
def test_what_values_are_rounded_in_is_not_changed_any_more(second: Step, between: list[Step]) -> None:
    with pytest.raises(RecipeError, match=f"{second.word()} changes the network's structure, on which int8 rests") as caught:
        check_order([second, Int8(), *between, second], ["a"])
    assert caught.value.where == f"step {3 + len(between)}: {second}"
    assert caught.value.hint == f"put {second.word()} before int8"
    check_order([second, *between[:1], Int8()], ["a"])


def test_values_are_rounded_once() -> None:
    with pytest.raises(RecipeError, match="int8 changes the network's structure, on which int8 rests") as caught:
        check_order([Int8(bits=8), Finetune(), Int8(bits=4)])
    assert caught.value.where == "step 3: int8: {bits: 4}"
    assert caught.value.hint == "say int8 once"


def test_without_names_only_what_is_wrong_for_every_model_is_refused() -> None:
    check_order([Share(bits={"conv*": 4}), Share(bits={"fc*": 4})])
    check_order([Share(bits={"conv*": 4}), Fold()])
    with pytest.raises(RecipeError, match="every weight is codebook after step 1"):
        check_order([Share(), Share(bits={"fc*": 4})])


def test_with_names_other_layers_are_free() -> None:
    names = ["conv.weight", "fc.weight"]
    check_order([Share(bits={"conv": 4}), Share(bits={"fc": 4}), Prune(sparsity=0.5)], names)
    with pytest.raises(RecipeError, match=r"and fc\.weight is codebook after step 2 \(share\)"):
        check_order([Share(bits={"conv": 4}), Share(bits={"fc": 4}), Share(bits={"fc": 2})], names)


def test_the_step_that_is_blamed_made_the_form_and_not_just_kept_it() -> None:
    with pytest.raises(RecipeError, match="after step 2"):
        check_order([Prune(sparsity=0.5), Share(), Finetune(), Distill(), Share()], ["a"])


def test_a_pattern_that_names_nothing_is_refused_before_the_first_step() -> None:
    with pytest.raises(RecipeError, match="no weight is called 'conv9'"):
        check_order([Finetune(epochs=10**9), Prune(sparsity={"conv9": 0.5})], ["fc.weight"])


def test_a_step_that_takes_nothing_dense_is_refused_for_the_model_as_it_came() -> None:
    class Odd(Fold):
        def takes(self) -> Mapping[str, str]:
            return {"grid": "grid"}

    with pytest.raises(RecipeError, match="a is dense after the model as it came"):
        check_order([Odd()], ["a"])
