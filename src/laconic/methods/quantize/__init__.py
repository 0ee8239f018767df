"""Choose the integers of a whole network at once, without training.

quantize     the step: a target, and the grids that meet it
trials       what comes out at one coarseness of the grids or another
search       where a target ends, along one number
allowance    the same where every trial has its luck: how far a score may fall
calibrated   all layers, in the order in which they are called
layer        one layer: what it should compute now, and its integers
rounding     rounding with error feedback along both sides of a matrix
"""

from laconic.methods.quantize.quantize import Quantize

__all__ = ["Quantize"]
