"""DSRL Lab: Dual Super-Resolution Learning for dense prediction, written to be read, tested and taught."""

__version__ = "0.1.0"
