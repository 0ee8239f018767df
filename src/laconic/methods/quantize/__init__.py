"""Choose the integers of a whole network at once, without training.

quantize     the step: a target, and the search for the grids that meet it
calibrated   all layers, in the order in which they are called
layer        one layer: what it should compute now, and its integers
rounding     rounding with error feedback along both sides of a matrix
lockstep     two networks run hand in hand
"""

from laconic.methods.quantize.quantize import Quantize

__all__ = ["Quantize"]
