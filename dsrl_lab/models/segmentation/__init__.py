"""Segmentation networks: hosts that DSRL can be put on."""
