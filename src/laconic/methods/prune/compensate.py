"""Prune at once, and let the weights that are left make up for those that go (SparseGPT: Frantar & Alistarh 2023).

With the second moment H of what a layer multiplies, taking weight w out costs the layer's output at least w² / [H⁻¹]ᵢᵢ, and that little
only if the others move by −w / [H⁻¹]ᵢᵢ · H⁻¹ᵢ (Optimal Brain Surgeon, Hassibi & Stork 1993, eq. 5). Here all rows share one order, column
after column: an error is made up for by the columns still to come, whose inverse is a row of the Cholesky factor of H⁻¹. Which weights go
is decided block by block, when the weights there have taken up the errors of the blocks before.

The layers are pruned in the order in which the network calls them, each on inputs that come through the layers pruned before it. A bias
makes up for the means.
"""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from laconic.forms import Form, Masked
from laconic.graph.network import Network
from laconic.nn.lockstep import hand_in_hand
from laconic.nn.maps import Use
from laconic.nn.moments import Moments, moments, parts
from laconic.nn.weights import to_numpy

BLOCK = 128  # columns whose weights are chosen together
DAMPING = 0.01  # of the mean diagonal, added to H: directions that the samples hardly show


def compensated(network: Network, kept: Mapping[str, int], inputs: Tensor) -> dict[str, Form]:
    """Masked weights of which so many are left.

    Args:
        network: dense or masked where it is to be pruned; what is masked stays zero.
        kept: weight → how many of it stay.
        inputs: calibration samples `(n, *shape)`, where the network is.

    Returns:
        Forms of these weights, and of the biases that changed, dense.
    """
    return _Pruning(network, kept).run(inputs)


class _Pruning:
    """The network as it came, and a copy in the making."""

    def __init__(self, network: Network, kept: Mapping[str, int]) -> None:
        self._network, self._kept = network, kept
        self._reference, self._model = (copy.deepcopy(network.module).eval() for _ in range(2))
        self._masks: dict[str, np.ndarray] = {}

    def run(self, inputs: Tensor) -> dict[str, Form]:
        hand_in_hand(self._reference, self._model, inputs, self._visit)
        values = {name: to_numpy(p) for name, p in self._model.named_parameters()}
        before = dict(self._network.module.named_parameters())
        forms: dict[str, Form] = {name: Masked.of(values[name], mask) for name, mask in self._masks.items()}
        moved = [n for n, p in self._model.named_parameters() if n not in forms and not torch.equal(p, before[n])]
        return forms | {name: Network(self._model).form(name) for name in moved}

    @torch.no_grad()
    def _visit(self, reference: Tensor, use: Use) -> Tensor:
        if use.name in self._kept and use.name not in self._masks:
            self._prune(reference, use)
        return use.call(use.operands.inputs, use.operands.weight, use.operands.bias)

    def _prune(self, reference: Tensor, use: Use) -> None:
        view, parameter = use.operands.map, self._model.get_parameter(use.name)
        whole = moments(view, reference, use.operands.inputs)
        matrix = view.matrix(parameter.detach().cpu().double())
        alive = view.matrix(torch.from_numpy(self._alive(use.name)))
        seen = [part.centred() if use.bias else part.mean() for part in whole] or [_unknown(matrix)]
        pruned, stays = thinned(matrix, alive, seen, self._kept[use.name])
        shape = tuple(parameter.shape)
        self._masks[use.name] = view.weight(stays, shape).numpy().astype(bool)
        parameter.copy_(view.weight(pruned, shape))
        if use.bias and whole:
            mean, wanted = (torch.cat(found, 1)[:, :, None] for found in zip(*((p.total, p.reference_total) for p in seen), strict=True))
            bias = self._model.get_parameter(use.bias)
            bias.add_((matrix @ wanted - pruned @ mean).reshape(-1).to(bias))

    def _alive(self, name: str) -> np.ndarray:
        form = self._network.form(name)
        return form.mask if isinstance(form, Masked) else np.ones(form.shape, bool)


def thinned(matrix: Tensor, alive: Tensor, seen: list[Moments], kept: int) -> tuple[Tensor, Tensor]:
    """The matrix with so many weights left, which make up for the others; and the mask of what is left.

    Args:
        matrix: float64 `(groups, rows, columns)`.
        alive: mask of the same shape; what is false goes in any case.
        seen: means and covariances, or means of squares, of each part of the columns.
        kept: weights to keep, shared out over the blocks by their size.
    """
    pruned, stays = matrix.clone(), torch.zeros_like(alive)
    blocks = [
        (group, slice(first, min(first + BLOCK, part.stop)), part, place)
        for group in range(len(matrix))
        for place, part in enumerate(parts(matrix.shape[2]))
        for first in range(part.start, part.stop, BLOCK)
    ]
    factors = {(group, place): _inverse_factor(seen[place].own[group]) for group, _, _, place in blocks}
    done = 0
    for group, block, part, place in blocks:
        done += matrix.shape[1] * (block.stop - block.start)
        budget = round(kept * done / matrix.numel()) - int(stays.sum())
        along = factors[group, place][block.start - part.start :, block.start - part.start :]
        _thin(pruned[group, :, block.start : part.stop], alive[group, :, block], stays[group, :, block], along, budget)
    return pruned, stays


def _thin(weights: Tensor, alive: Tensor, stays: Tensor, factor: Tensor, budget: int) -> None:
    """Prune the first columns, in place: as many as the masks have; those behind them take up the errors.

    Args:
        weights: of the block and of the columns behind it.
        alive: mask of the block.
        stays: mask of the block, to be set.
        factor: of the inverse, upper triangular, for all these columns.
        budget: how many weights of the block stay.
    """
    count = alive.shape[1]
    price = (weights[:, :count] / factor.diagonal()[:count]).square()
    price = torch.where(alive, price, -1.0).flatten()
    chosen = price.topk(min(budget, int(alive.sum()))).indices
    stays.view_as(alive).copy_(torch.zeros_like(price, dtype=torch.bool).index_fill_(0, chosen, True).reshape(alive.shape))
    for column in range(count):
        error = torch.where(stays[:, column], 0.0, weights[:, column]) / factor[column, column]
        weights[:, column:] -= error[:, None] * factor[column, column:]
        weights[:, column] *= stays[:, column]


def _inverse_factor(moment: Tensor) -> Tensor:
    """U, upper triangular, Uᵀ U = H⁻¹."""
    level = moment.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    damped = moment + DAMPING * level * torch.eye(len(moment), dtype=moment.dtype)
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)


def _unknown(matrix: Tensor) -> Moments:
    """Of inputs that are single words: each column for itself."""
    groups, _, columns = matrix.shape
    none, same = torch.zeros(groups, columns, dtype=matrix.dtype), torch.eye(columns, dtype=matrix.dtype).expand(groups, columns, columns)
    return Moments(1, same, same, none, none)
