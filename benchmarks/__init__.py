"""Measurements: each prints its machine, versions and command; results.md keeps what was printed."""
