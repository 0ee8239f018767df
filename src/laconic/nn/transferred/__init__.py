"""Transferred filters: few base filters, and a fixed transform that makes the others of them. Only the base is held; the graph expands it.

expanded       convolutions with filters that are computed from fewer weights
filters        plain convolutions whose filters are images of a base: negated, repeated, mirrored, turned, shifted, circulant
c4             group convolutions that are equivariant to quarter turns: lifting and full
activations    CReLU and multi-bias, for networks that are built with them
"""

from laconic.nn.transferred.activations import CReLU, MultiBias
from laconic.nn.transferred.c4 import GroupConv2d, LiftingConv2d, turned
from laconic.nn.transferred.expanded import ExpandedConv2d
from laconic.nn.transferred.filters import (
    KINDS,
    CirculantConv2d,
    DoublyConv2d,
    FlippedConv2d,
    OpposedConv2d,
    RepeatedConv2d,
    RotatedConv2d,
    TransferredConv2d,
    transferred,
    unsuited,
)

__all__ = [
    "KINDS",
    "CReLU",
    "CirculantConv2d",
    "DoublyConv2d",
    "ExpandedConv2d",
    "FlippedConv2d",
    "GroupConv2d",
    "LiftingConv2d",
    "MultiBias",
    "OpposedConv2d",
    "RepeatedConv2d",
    "RotatedConv2d",
    "TransferredConv2d",
    "transferred",
    "turned",
    "unsuited",
]
