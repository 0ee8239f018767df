"""laconic: the smallest and fastest network that meets a budget, in one file that really is that small.

Everything is imported when it is first used, so `import laconic` costs nothing and running a file never needs torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laconic.api import Result, compress, evaluate, sensitivity
    from laconic.base.preprocessing import tokens
    from laconic.datasets import Data, from_arrays, load_data
    from laconic.graph.restore import load_into
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
    from laconic.methods.transfer import Transfer
    from laconic.recipe import Recipe
    from laconic.runtime import Session, load
    from laconic.train import Task, Training, next_token
    from laconic.train.soup import soup
    from laconic.zoo.reference import build_model

__version__ = "0.1.0"

_HOMES = {
    "Data": "laconic.datasets",
    "Distill": "laconic.methods.distill",
    "Factorize": "laconic.methods.factorize",
    "Finetune": "laconic.methods.finetune",
    "Fold": "laconic.methods.fold",
    "Fuse": "laconic.methods.fuse",
    "Half": "laconic.methods.half",
    "Int4": "laconic.methods.int4",
    "Int8": "laconic.methods.int8",
    "Prune": "laconic.methods.prune",
    "PruneBlocks": "laconic.methods.prune_blocks",
    "PruneChannels": "laconic.methods.prune_channels",
    "Quantize": "laconic.methods.quantize",
    "Recipe": "laconic.recipe",
    "Replace": "laconic.methods.replace",
    "Result": "laconic.api",
    "Session": "laconic.runtime",
    "Share": "laconic.methods.share",
    "Squeeze": "laconic.methods.squeeze",
    "Task": "laconic.train",
    "Training": "laconic.train",
    "Transfer": "laconic.methods.transfer",
    "build_model": "laconic.zoo.reference",
    "compress": "laconic.api",
    "evaluate": "laconic.api",
    "from_arrays": "laconic.datasets",
    "load": "laconic.runtime",
    "load_data": "laconic.datasets",
    "load_into": "laconic.graph.restore",
    "next_token": "laconic.train",
    "sensitivity": "laconic.api",
    "soup": "laconic.train.soup",
    "tokens": "laconic.base.preprocessing",
}

__all__ = [  # noqa: RUF022  in the order of use
    "compress",
    "Result",
    "evaluate",
    "sensitivity",
    "load",
    "Session",
    "load_into",
    "Data",
    "from_arrays",
    "load_data",
    "tokens",
    "build_model",
    "Prune",
    "PruneChannels",
    "PruneBlocks",
    "Factorize",
    "Transfer",
    "Replace",
    "Share",
    "Quantize",
    "Squeeze",
    "Int8",
    "Int4",
    "Half",
    "Fold",
    "Fuse",
    "Finetune",
    "Distill",
    "Recipe",
    "Task",
    "next_token",
    "Training",
    "soup",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'laconic' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
