"""Structured pruning: whole channels go, by seven criteria, to a share of MACs, parameters or measured time.

prune_channels  the step: its target, and training meanwhile
criteria        which channels matter
activations     what layers give on samples
budget          how many each group keeps
masks           channels at zero while a network trains
"""

from laconic.methods.prune_channels.prune_channels import PruneChannels

__all__ = ["PruneChannels"]
