"""Weight decay for all but depthwise filters.

"We found that it was important to put very little or no weight decay (L2 regularization) on the depthwise filters since there are so few
parameters in them" (Howard et al., "MobileNets", 2017, section 3.2).
"""

from typing import Any

from torch import nn
from torch.nn.utils import parametrize


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The model's trained parameters as two groups for an optimiser of torch's: depthwise filters without decay, and all others with it.

    Args:
        model: whose parameters they are, each once, those that ask for a gradient.
        weight_decay: the L2 term of the others.

    >>> groups = decay_groups(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8)), 4e-5)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.0), (3, 4e-05)]
    """
    filters = {_weight(module) for module in model.modules() if is_depthwise(module)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter in filters], "weight_decay": 0.0},
        {"params": [parameter for parameter in trained if parameter not in filters], "weight_decay": weight_decay},
    ]


def _weight(module: nn.Module) -> nn.Parameter:
    """What trains of its weight: where a Form holds it, the Form's table or what its mask lies on."""
    found = module.parametrizations["weight"].original if parametrize.is_parametrized(module, "weight") else module.weight  # type: ignore[index, union-attr]
    assert isinstance(found, nn.Parameter)
    return found


def is_depthwise(module: nn.Module) -> bool:
    """Whether it is a convolution each of whose filters sees one channel, of several.

    >>> is_depthwise(nn.Conv2d(8, 16, 3, groups=8)), is_depthwise(nn.Conv2d(8, 8, 3, groups=4)), is_depthwise(nn.Conv2d(1, 8, 3))
    (True, False, False)
    """
    return isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.groups == module.in_channels > 1
