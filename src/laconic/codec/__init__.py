"""Integers ⇄ bytes. Lossless, integer-only, and the same bytes on every machine.

One array at a time, by layouts, probability models and coders (`encode`, `encode_array`); groups of tensors, by context (`encode_group`).
"""

from laconic.codec.context.group import decode_group, encode_group
from laconic.codec.integers import decode, encode
from laconic.codec.planes import decode_array, encode_array
from laconic.codec.statistics import entropy

__all__ = ["decode", "decode_array", "decode_group", "encode", "encode_array", "encode_group", "entropy"]
