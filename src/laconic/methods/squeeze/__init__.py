"""Train for size: what the coder would charge for the integers is a term of the loss.

squeeze      the step: its loss, and the end that meets the target
latent       a weight that trains as a real number and is used as an integer times a step
rate         what integers cost, from those around them
steering     how dear a byte is, so that the size arrives where it should
"""

from laconic.methods.squeeze.squeeze import Squeeze

__all__ = ["Squeeze"]
