"""Half the bits: every parameter rounded to what bfloat16 or float16 can hold, for a file of half the size.

The parameters stay in the network's own type, so any engine runs them; one that computes in bfloat16 loses nothing more on the weights. The
coder sees that the last bits are zero and spends nothing on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from laconic.base.errors import ModelError
from laconic.forms import Dense, Form, Masked
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import Step, check_fields
from laconic.nn.weights import to_numpy

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Half(Step):
    """Round parameters to 16 bits, to the nearest, half to even.

    Args:
        format: bf16 has the range of float32 and 8 bits of precision; fp16 has 11 bits, up to 65 504.

    >>> print(Half())
    half: {format: bf16}
    """

    format: Literal["bf16", "fp16"] = "bf16"

    def __post_init__(self) -> None:
        check_fields(self, ("format", self.format in TYPES, "bf16 or fp16"))

    def takes(self) -> Mapping[str, str]:
        return {"dense": "dense", "masked": "masked"}

    def plan(self, network: Network, context: Context) -> Plan:
        """The largest relative error of each parameter.

        Raises:
            ModelError: a value is too large for float16.
        """
        rows = []
        for name in _rounded_names(network):
            value = network.module.get_parameter(name).detach()
            error = (self._rounded(value) - value).abs() / value.abs().clamp(min=torch.finfo(value.dtype).tiny)
            if not bool(error.isfinite().all()):
                raise ModelError(
                    f"a value of {float(value.abs().max()):.3g} is too large for {self.format}", where=name, hint="half: {format: bf16}"
                )
            rows.append({"parameter": name, "of": value.numel(), "largest relative error": float(error.max())})
        return Plan(tuple(rows))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        half = network.reformed({row["parameter"]: self._form(network, row["parameter"]) for row in plan.rows})
        return Network(half.module, {name: form for name, form in half.forms.items() if form.kind != Dense.kind}, half.edits)

    def _form(self, network: Network, name: str) -> Form:
        values, form = to_numpy(self._rounded(network.module.get_parameter(name).detach())), network.form(name)
        return Masked.of(values, form.mask) if isinstance(form, Masked) else Dense.of(values)

    def _rounded(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(TYPES[self.format]).to(value.dtype)


def _rounded_names(network: Network) -> list[str]:
    """Parameters of more than 16 bits that are not on a grid or shared, tied ones once."""
    wide = (name for name, p in network.module.named_parameters() if p.is_floating_point() and p.element_size() > 2 and p.numel())
    return [name for name in wide if network.kind(name) in ("dense", "masked")]
