"""Transferred filters: convolutions whose filters are images of fewer base filters.

transfer    the step: which layers, which kinds
match       base filters, and which image of which of them stands for each filter
"""

from laconic.methods.transfer.transfer import Transfer

__all__ = ["Transfer"]
