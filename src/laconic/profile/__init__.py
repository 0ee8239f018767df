"""What a model costs: parameters, MACs, activation bytes and measured latency, layer by layer."""

from laconic.profile.layers import LayerProfile, Profile, Share
from laconic.profile.profiler import count, profile

__all__ = ["LayerProfile", "Profile", "Share", "count", "profile"]
