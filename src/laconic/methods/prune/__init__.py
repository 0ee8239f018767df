"""Set weights to zero, for good.

prune        the step: magnitudes, patterns, rounds
compensate   the weights that are left make up for those that go
sensitivity  which layers mind it: the score with each of them pruned alone
"""

from laconic.methods.prune.prune import Prune

__all__ = ["Prune"]
