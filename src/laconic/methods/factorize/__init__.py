"""Low rank: layers as chains of thin ones.

factorize    the step: which layers, which kinds, which ranks
vbmf         the rank that stands above the noise
"""

from laconic.methods.factorize.factorize import Factorize

__all__ = ["Factorize"]
