"""What a model costs: parameters, MACs, activation bytes and measured latency, layer by layer."""

from laconic.profile.layers import LayerProfile, Profile, Share
from laconic.profile.profiler import by_batch, count, profile
from laconic.profile.roofline import Roofline

__all__ = ["LayerProfile", "Profile", "Roofline", "Share", "by_batch", "count", "profile"]
