"""Scores, each with its convention: pooled mIoU and boundary F, PSNR and SSIM, PCK and OKS-AP."""

from dsrl_lab.metrics.images import luminance, psnr, ssim
from dsrl_lab.metrics.keypoints import (
    KeypointAveragePrecision,
    KeypointPrediction,
    PckScores,
    oks_average_precision,
    pck,
)
from dsrl_lab.metrics.segmentation import BoundaryScore, BoundaryScores, SegmentationScore, SegmentationScores

__all__ = [
    "BoundaryScore",
    "BoundaryScores",
    "KeypointAveragePrecision",
    "KeypointPrediction",
    "PckScores",
    "SegmentationScore",
    "SegmentationScores",
    "luminance",
    "oks_average_precision",
    "pck",
    "psnr",
    "ssim",
]
