"""Scores, each with its convention: pooled mIoU and boundary F, PSNR and SSIM, PCK and OKS-AP."""

# ruff: noqa: F401 - names for other rooms

from dsrl_lab.metrics.images import luminance, psnr, ssim
from dsrl_lab.metrics.keypoints import KeypointPrediction, oks_average_precision, pck
from dsrl_lab.metrics.segmentation import BoundaryScore, BoundaryScores, SegmentationScore, SegmentationScores
