"""All the integers of a network, layer by layer, from calibration samples."""

import copy
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from laconic.forms import Grid, Masked
from laconic.forms.form import narrow
from laconic.graph.network import Network
from laconic.methods.quantize.layer import Factors, choose_integers
from laconic.nn.lockstep import hand_in_hand
from laconic.nn.maps import Use
from laconic.nn.moments import moments
from laconic.nn.weights import to_numpy, to_torch
from laconic.profile.curvature import Curvature

SIGNIFICANT = 8  # bits of a step: with more, a file of few weights would carry them about for nothing
MOST_LEVELS = 1 << 15  # on either side of zero: float16 holds no larger integers


def unit_step(known: Curvature, values: Tensor) -> float:
    """The step at which rounding an element costs the outputs a squared error of 1/12, the others making up for it as far as they can;
    infinite where the outputs do not depend on the elements.

    At the same multiple of this in all layers, no byte would do more in another layer: reverse water-filling (Cover & Thomas 2006,
    §10.3).
    """
    if known.map is not None and bool(known.outputs.any()):
        felt = Factors.of(known.outputs, [part.mean() for part in known.inputs]).sensitivity()
        words = 1 if known.inputs else known.map.matrix(values).shape[2]  # of which each position has but one
        return words**0.5 / felt
    return known.squares**-0.5 if known.squares > 0 else math.inf


def fitting_step(wanted: float, greatest: float, dtype: torch.dtype) -> float:
    """The step of a grid: `SIGNIFICANT` bits of what is wanted, within what a Form of such values can hold.

    Args:
        wanted: above 0; infinite for zeros only.
        greatest: magnitude of the values.
        dtype: of the values.

    >>> fitting_step(0.1, 1.0, torch.float32), fitting_step(1e-9, 1.0, torch.float16), fitting_step(math.inf, 1.0, torch.float32)
    (0.10009765625, 6.103515625e-05, 3.0)
    """
    kind = torch.finfo(dtype)
    within = max(3 * greatest if math.isinf(wanted) else wanted, greatest / MOST_LEVELS, kind.smallest_normal)
    fraction, exponent = np.frexp(within)
    return min(float(np.ldexp(np.rint(np.ldexp(fraction, SIGNIFICANT)), exponent - SIGNIFICANT)), kind.max)


def quantized(network: Network, known: Mapping[str, Curvature], steps: Mapping[str, float], inputs: Tensor) -> dict[str, Grid]:
    """Every parameter that has a step, on its grid.

    The layers are settled in the order in which the network calls them, each on inputs that come through the layers settled before it.

    Args:
        network: as it came.
        known: the curvature of each parameter.
        steps: name → step.
        inputs: preprocessed calibration samples.
    """
    return _Settling(network, known, steps).run(inputs)


class _Settling:
    """The network as it came, copies of it in evaluation mode, one of them in the making, and the Forms so far."""

    def __init__(self, network: Network, known: Mapping[str, Curvature], steps: Mapping[str, float]) -> None:
        self._network, self._known, self._steps = network, known, steps
        self._reference, self._model = (copy.deepcopy(network.module).eval() for _ in range(2))
        self._forms: dict[str, Grid] = {}

    def run(self, inputs: Tensor) -> dict[str, Grid]:
        for name in self._steps:
            if self._known[name].map is None:
                self._settle(name, self._rounded(name, self._original(name)))
        hand_in_hand(self._reference, self._model, inputs, self._visit)
        for name in self._steps.keys() - self._forms.keys():  # all samples together may go another way than a few
            self._settle(name, self._rounded(name, self._original(name)))
        return {name: self._forms[name] for name in self._steps}

    def _visit(self, reference: Tensor, use: Use) -> Tensor:
        known = self._known[use.name].map
        if use.name in self._steps and use.name not in self._forms and known is not None and known.alike(use.operands.map):
            self._settle_layer(reference, use)
        return use.call(use.operands.inputs, use.operands.weight, use.operands.bias)

    def _settle_layer(self, reference: Tensor, use: Use) -> None:
        known, view, original = self._known[use.name], use.operands.map, self._original(use.name)
        seen = [part.centred() if use.bias else part.mean() for part in moments(view, reference, use.operands.inputs)]
        matrix, kept = view.matrix(original), view.matrix(self._kept(use.name))
        integers = choose_integers(matrix, kept, known.outputs, seen, self._steps[use.name])
        shaped = view.weight(torch.from_numpy(integers), tuple(original.shape))
        self._settle(use.name, shaped.numpy())
        if use.bias in self._steps and seen:
            mean, reference_mean = (
                torch.cat(found, 1)[:, :, None] for found in zip(*((p.total, p.reference_total) for p in seen), strict=True)
            )
            now = view.matrix(self._model.get_parameter(use.name).detach().cpu().double())
            bias = self._original(use.bias) + (matrix @ reference_mean - now @ mean).reshape(-1)
            self._settle(use.bias, self._rounded(use.bias, bias))

    def _original(self, name: str) -> Tensor:
        return self._network.module.get_parameter(name).detach().cpu().double()

    def _kept(self, name: str) -> Tensor:
        form = self._network.form(name)
        return torch.from_numpy(form.mask if isinstance(form, Masked) else np.ones(form.shape, bool))

    def _rounded(self, name: str, values: Tensor) -> np.ndarray:
        return torch.round(values / self._steps[name]).long().numpy()

    @torch.no_grad()
    def _settle(self, name: str, integers: np.ndarray) -> None:
        parameter = self._model.get_parameter(name)
        step = torch.tensor([self._steps[name]], dtype=parameter.dtype)
        form = Grid(tuple(parameter.shape), narrow(np.ascontiguousarray(integers)), to_numpy(step))
        parameter.copy_(to_torch(form.array()))
        self._forms[name] = form
