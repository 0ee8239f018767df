"""Mixed precision: products in bfloat16, everything that is summed or kept in the precision of the model."""

from typing import Any

import torch
from torch import nn

from laconic.train.task import BatchLoss


def mixed(loss: BatchLoss) -> BatchLoss:
    """The same loss, multiplied in bfloat16 (Micikevicius et al. 2018, "Mixed Precision Training"; Kalamkar et al. 2019, for bfloat16).

    The model's outputs are widened before the loss sees them: a bfloat16 has 8 bits, and what small losses are made of would be lost.
    Images come with their channels innermost, which is what the narrow kernels work on: otherwise every layer would turn them around.
    """

    def narrow_loss(model: nn.Module, inputs: torch.Tensor, targets: Any) -> torch.Tensor:
        hook = model.register_forward_hook(_widened)
        try:
            with torch.autocast(inputs.device.type, torch.bfloat16):
                return loss(model, _channels_last(inputs), targets)
        finally:
            hook.remove()

    return narrow_loss


def slow_on(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 only by way of other numbers: several times slower than in full precision.

    >>> slow_on(torch.device("meta"))
    False
    """
    return device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def wide(values: torch.Tensor) -> torch.Tensor:
    """In 32 bits at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _channels_last(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs


def _widened(model: nn.Module, inputs: Any, outputs: Any) -> Any:
    return wide(outputs) if isinstance(outputs, torch.Tensor) else outputs
