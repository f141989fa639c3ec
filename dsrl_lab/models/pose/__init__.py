"""Pose nets, and the heat-maps they are trained on and read from."""

# ruff: noqa: F401 - names for other rooms

from dsrl_lab.models.pose.heatmaps import Keypoints, decode_heatmaps, flip_heatmaps, flip_test, gaussian_heatmaps
from dsrl_lab.models.pose.hrnet import HRNet
