"""Integer arithmetic: post-training quantisation of weights and activations to what int8 kernels multiply.

int8.py       the step
ranges.py     where a value's grid ends, from calibration samples
correct.py    biases and steps that make up for what rounding moved
equalize.py   channels brought to like ranges across two layers
adaround.py   rounding up or down, whichever the layer's output asks for
learned.py    training with the integers, on grids that learn
"""

from laconic.methods.int8.int8 import Int8

__all__ = ["Int8"]
