"""Pose nets, and the heat-maps they are trained on and read from."""

from dsrl_lab.models.pose.heatmaps import Keypoints, decode_heatmaps, flip_heatmaps, flip_test, gaussian_heatmaps
from dsrl_lab.models.pose.hrnet import HRNet

__all__ = ["HRNet", "Keypoints", "decode_heatmaps", "flip_heatmaps", "flip_test", "gaussian_heatmaps"]
