"""Compact blocks in place of convolutions.

replace    the step: which layers become which blocks
start      the weights that a block starts from
recover    each block learns the outputs of the layer that it stands for
"""

from laconic.methods.replace.replace import Replace

__all__ = ["Replace"]
