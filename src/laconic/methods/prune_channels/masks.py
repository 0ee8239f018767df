"""Channels that are set to zero while a network trains: masks over all that makes them, which only ever close."""

from collections.abc import Mapping, Sequence

import numpy as np

from laconic.forms import Masked
from laconic.forms.magnitude import greatest
from laconic.graph.channels import Group, Member
from laconic.graph.network import Network
from laconic.methods.prune_channels.criteria import makers
from laconic.nn import hold


class Masks:
    """A training copy of a network with a mask on every tensor that makes channels. The masks are part of the training's state.

    Args:
        network: stays as it is.
        groups: of its channels.
    """

    def __init__(self, network: Network, groups: Sequence[Group]) -> None:
        self._network, self._groups = network, groups
        self._makers = {group.name: makers(network.module, group) for group in groups}
        opened = {one.tensor: _opened(network, one.tensor) for found in self._makers.values() for one in found}
        self.held = hold(network.module, {**network.forms, **opened})

    def now(self) -> Network:
        """The network as it is trained so far."""
        trained = self._network.released(self.held)
        return Network(trained.module, {name: form for name, form in trained.forms.items() if name in self._network.forms}, trained.edits)

    def gone(self) -> dict[str, np.ndarray]:
        """Group → mask of the channels that are closed."""
        return {group.name: self._closed(group) for group in self._groups}

    def close(self, stay: Mapping[str, int], scores: Mapping[str, np.ndarray]) -> None:
        """Leave so many channels of each group open, those of the greatest scores; what is closed stays so."""
        for group in self._groups:
            open_scores = np.where(self._closed(group), -1.0, scores[group.name])
            gone = ~greatest(open_scores, stay[group.name])
            for member in self._makers[group.name]:
                mask = np.moveaxis(self._mask(member.tensor).copy(), member.axis, 0)
                mask[np.array(member.places)[gone].reshape(-1)] = False
                self.held.tighten(member.tensor, np.moveaxis(mask, 0, member.axis))

    def _closed(self, group: Group) -> np.ndarray:
        first: Member = self._makers[group.name][0]
        mask = self._mask(first.tensor)
        rows = np.moveaxis(mask, first.axis, 0).reshape(mask.shape[first.axis], -1)
        closed: np.ndarray = ~rows[np.array(first.places)].any((1, 2))
        return closed

    def _mask(self, name: str) -> np.ndarray:
        form = self.held.form(name)
        assert isinstance(form, Masked)
        return form.mask


def _opened(network: Network, name: str) -> Masked:
    """The weight under the mask that it has, or under one that lets all through."""
    form = network.form(name)
    return form if isinstance(form, Masked) else Masked.of(network.array(name), np.ones(form.shape, bool))
