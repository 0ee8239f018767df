"""How much the outputs of a network mind an error in each of its weights: curvature, without labels.

To second order, an error E in the matrix of a layer moves the outputs of a sample by a squared error of

    tr(G E A Eᵀ)        A = mean over positions of x xᵀ,   x: what the layer multiplies
                        G = sum over positions of g gᵀ,    g: gradient of an output by what the layer puts out

averaged over samples and summed over outputs: the Kronecker factors of the Gauss-Newton matrix (K-FAC, Martens & Grosse 2015; for
convolutions, Grosse & Martens 2016). It is the outputs' squared error that is measured, not a loss: where a network has learnt its
training images by heart, the loss has no curvature left on them, but the outputs move as they do on any other image.

Where there are more outputs than `PROBES`, random combinations of them stand for all (Hutchinson 1990).
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from laconic.nn.maps import EmbeddingMap, Map, Use, Uses
from laconic.nn.moments import Moments, moments

PROBES = 8
BATCH = 64


@dataclass(eq=False)
class Curvature:
    """What is known of one parameter.

    Args:
        squares: sum of the squares of the gradients of the outputs by one element, mean over elements and samples.
        map: how the calls that multiply by it make a matrix of it; None where there are none. Where a weight is both an embedding and
            the matrix that leads back to words, it is the latter: only calls `alike` are counted.
        outputs: G, float64 `(groups, rows, rows)`.
        inputs: of each part of the columns; empty where the inputs are single words, and A is diagonal, with a trace of 1.
    """

    squares: float = 0.0
    map: Map | None = None
    outputs: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    inputs: list[Moments] = field(default_factory=list)

    def counts(self, other: Map) -> bool:
        """Whether a call with this map is counted; the first one decides, but a call that looks words up gives way to any other."""
        if self.map is None or (isinstance(self.map, EmbeddingMap) and not isinstance(other, EmbeddingMap)):
            self.map = other
        return self.map.alike(other)


def curvature(module: nn.Module, inputs: Tensor, seed: int = 0) -> dict[str, Curvature]:
    """The curvature of every floating parameter of a network in evaluation mode.

    Args:
        module: of one output tensor; it is copied.
        inputs: preprocessed samples, samples first.
        seed: of the random combinations of outputs, where there are many.

    >>> linear = nn.Linear(2, 1, bias=False)
    >>> curvature(linear, torch.tensor([[1.0, 2.0]]))["weight"].inputs[0].own
    tensor([[[1., 2.],
             [2., 4.]]], dtype=torch.float64)
    """
    model = copy.deepcopy(module).eval().requires_grad_()
    floating = {name: p for name, p in model.named_parameters() if p.is_floating_point()}
    found = {name: Curvature() for name in floating}
    generator = torch.Generator().manual_seed(seed)
    for first in range(0, len(inputs), BATCH):
        _learn(model, inputs[first : first + BATCH], floating, found, 1 / len(inputs), generator)
    return found


def _learn(
    model: nn.Module,
    batch: Tensor,
    floating: dict[str, nn.Parameter],
    found: dict[str, Curvature],
    weight: float,
    generator: torch.Generator,
) -> None:
    """Add what one batch tells, its samples counting with `weight`."""
    seen: list[tuple[Curvature, Map, Tensor]] = []

    def visit(use: Use) -> Tensor:
        known, operands = found[use.name], use.operands
        outputs = use.call(operands.inputs, operands.weight, operands.bias)
        if known.counts(operands.map):
            with torch.no_grad():
                new = moments(operands.map, operands.inputs, operands.inputs)
            known.inputs = [a + b for a, b in zip(known.inputs, new, strict=True)] if known.inputs else new
            seen.append((known, operands.map, outputs))
        return outputs

    with torch.enable_grad(), Uses(model, visit):
        outputs = model(batch)
    loose = {name: p for name, p in floating.items() if found[name].map is None}
    for probe in _probes(outputs, generator):
        by = torch.autograd.grad(outputs, [y for *_, y in seen] + list(loose.values()), probe, retain_graph=True, allow_unused=True)
        for (known, view, _), gradient in zip(seen, by, strict=False):
            if gradient is not None and known.counts(view):
                columns = view.outputs(gradient).float()
                known.outputs = known.outputs + weight * (columns @ columns.mT).double().cpu()
        for name, gradient in zip(loose, by[len(seen) :], strict=True):
            if gradient is not None:
                found[name].squares += weight * float(gradient.double().square().mean())


def _probes(outputs: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Directions in which to look at the outputs `(n, …)`, signs drawn anew for each sample: gradients of different samples then do not
    add up in the squares of their sum."""
    each = outputs[0].numel()
    if each <= PROBES:
        for place in range(each):
            one = torch.zeros(len(outputs), each)
            one[:, place] = _signs((len(outputs),), generator)
            yield one.reshape(outputs.shape).to(outputs)
        return
    for _ in range(PROBES):
        yield _signs(tuple(outputs.shape), generator).to(outputs) / PROBES**0.5


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
