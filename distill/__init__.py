"""Offline: the model release, and the authored taxonomy that synthetic profiles and training pairs come from."""
