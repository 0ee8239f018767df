"""What passes from step to step: a plain model, the Forms of its weights, and the Edits that its shape went through."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from laconic.base.edits import Edit
from laconic.forms import Dense, Form
from laconic.nn.checks import check_model
from laconic.nn.holding import Held
from laconic.nn.weights import to_numpy, to_torch, viewed


@dataclass(frozen=True, eq=False)
class Network:
    """A model and how its weights are held.

    Args:
        module: a plain model; its weights hold exactly the values of their Forms.
        forms: weight name → Form, for the weights that are not dense.
        edits: the structural changes since the user's model, in order.
    """

    module: nn.Module
    forms: Mapping[str, Form] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()

    def tensors(self) -> dict[str, Form]:
        """Every tensor of the state dict as a Form, in its order; tied names share one Form object.

        What is dense lies in the model's own memory where it can: keep the Forms no longer than the model stays as it is.
        """
        by_storage: dict[tuple[int, tuple[int, ...], tuple[int, ...], torch.dtype], Form] = {}
        found: dict[str, Form] = {}
        for name, tensor in self.module.state_dict(keep_vars=True).items():
            address = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
            form = self.forms.get(name) or (by_storage.get(address) if tensor.numel() else None)
            found[name] = by_storage[address] = form if form is not None else Dense.of(viewed(tensor))
        return found

    def kind(self, name: str) -> str:
        """The kind of Form that one weight is held in."""
        return self.forms[name].kind if name in self.forms else Dense.kind

    def form(self, name: str) -> Form:
        """The Form of one weight."""
        return self.forms.get(name) or Dense.of(self.array(name))

    def array(self, name: str) -> np.ndarray:
        """The value of one weight."""
        return to_numpy(self.module.get_parameter(name))

    @torch.no_grad()
    def reformed(self, forms: Mapping[str, Form]) -> "Network":
        """A new network in which these weights are held so, and have the values of these Forms."""
        module = copy.deepcopy(self.module)
        for name, form in forms.items():
            module.get_parameter(name).copy_(to_torch(form.array()))
        return Network(module, {**self.forms, **forms}, self.edits)

    def released(self, held: Held) -> "Network":
        """The network of a finished training copy of this one.

        Raises:
            ModelError: a weight is not a finite number.
        """
        module, forms = held.release()
        check_model(module)
        return Network(module, {**self.forms, **forms}, self.edits)
