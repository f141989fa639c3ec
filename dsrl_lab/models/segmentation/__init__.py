"""Segmentation networks: hosts that DSRL can be put on."""

from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
from dsrl_lab.models.segmentation.espnetv2_release import CAMVID_FROM_CITYSCAPES

__all__ = ["CAMVID_FROM_CITYSCAPES", "ESPNetv2"]
