"""Measurements that a reader can repeat: what the parts of DSRL cost on this machine."""
