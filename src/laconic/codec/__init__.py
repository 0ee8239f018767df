"""Integers ⇄ bytes: layouts, probability models and coders. Lossless, integer-only, and the same bytes on every machine."""

from laconic.codec.integers import decode, encode
from laconic.codec.planes import decode_array, encode_array
from laconic.codec.statistics import entropy

__all__ = ["decode", "decode_array", "encode", "encode_array", "entropy"]
