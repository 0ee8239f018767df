"""The one table from a recipe's word to its Step. A new method adds one line here."""

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
from laconic.methods.step import Step
from laconic.methods.transfer import Transfer

STEPS: dict[str, type[Step]] = {
    "finetune": Finetune,
    "distill": Distill,
    "fold": Fold,
    "fuse": Fuse,
    "transfer": Transfer,
    "factorize": Factorize,
    "replace": Replace,
    "prune": Prune,
    "prune-channels": PruneChannels,
    "prune-blocks": PruneBlocks,
    "share": Share,
    "quantize": Quantize,
    "squeeze": Squeeze,
    "int8": Int8,
    "int4": Int4,
    "half": Half,
}
