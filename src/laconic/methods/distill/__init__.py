"""Learn from a teacher: the step, its terms, its teachers, and what they said."""

from laconic.methods.distill.distill import Distill

__all__ = ["Distill"]
