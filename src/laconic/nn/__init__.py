"""Weights in torch: which ones there are, and how a Form is held while it trains."""

from laconic.nn.checks import check_model, home
from laconic.nn.holding import Held, hold
from laconic.nn.weights import left_dense, matching, weights

__all__ = ["Held", "check_model", "hold", "home", "left_dense", "matching", "weights"]
