"""Set weights to zero, for good.

prune        the step: magnitudes, patterns, rounds
compensate   the weights that are left make up for those that go
"""

from laconic.methods.prune.prune import Prune

__all__ = ["Prune"]
