"""Structured pruning: whole channels go, by seven criteria, to a share of MACs, parameters or measured time."""

from laconic.methods.prune_channels.prune_channels import PruneChannels

__all__ = ["PruneChannels"]
