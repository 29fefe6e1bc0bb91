"""kith: streaming people search by meaning."""

__version__ = "0.1.0"
