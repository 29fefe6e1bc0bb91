"""Synthetic profiles from the authored taxonomy: the same seed gives the same bytes on every machine."""

from distill.synthetic.changes import SyntheticChange, synthetic_changes
from distill.synthetic.profiles import SyntheticProfile, synthetic_profiles

__all__ = ["SyntheticChange", "SyntheticProfile", "synthetic_changes", "synthetic_profiles"]
