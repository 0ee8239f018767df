"""A network without some of its channels: its model, the Forms of its weights, and the Edit that says so."""

from collections.abc import Collection, Mapping

import numpy as np

from laconic.base.edits import Narrowed
from laconic.base.errors import ModelError
from laconic.forms import Form, Masked
from laconic.graph.channels.groups import aliases
from laconic.graph.channels.narrow import Kept, cutting, narrow
from laconic.graph.network import Network
from laconic.graph.trace import FLOAT


def cut(network: Network, sample_shape: tuple[int, ...], removed: Mapping[str, Collection[int]], dtype: str = FLOAT) -> Network:
    """A new network without these channels, by group and number as `channel_groups` counts them; without any, the same network.

    Raises:
        ExportError: the model cannot be traced. ModelError: no such group, none of its channels would be left, or a weight that loses
            some is shared or on a grid.
    """
    edit = Narrowed.of(sample_shape, dtype, removed)
    if not edit.removed:
        return network
    found = narrow(network.module, sample_shape, edit.channels(), dtype)
    read, every = dict(found.module.named_parameters()), aliases(network.module)
    forms = {name: _reformed(form, name, found.kept) for one, form in network.forms.items() for name in every[one] if name in read}
    return Network(found.module, forms, (*network.edits, edit))


def _reformed(form: Form, name: str, kept: Kept) -> Form:
    masks = cutting(kept, name, len(form.shape))
    if not masks:
        return form
    if not isinstance(form, Masked):
        raise ModelError(
            f"a {form.kind} weight cannot lose channels", where=name, hint="take channels out before weights are shared or put on a grid"
        )
    places = np.ix_(*(np.flatnonzero(masks.get(axis, np.ones(side, bool))) for axis, side in enumerate(form.shape)))
    return Masked.of(form.array()[places], form.mask[places])
