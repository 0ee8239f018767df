"""Which channels belong together, and what is left of a model without some of them."""

from laconic.graph.channels.groups import Group, Member, channel_groups, left_whole, output_axis
from laconic.graph.channels.narrow import Kept, Narrower, narrow, narrowed

__all__ = ["Group", "Kept", "Member", "Narrower", "channel_groups", "left_whole", "narrow", "narrowed", "output_axis"]
