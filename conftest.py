"""Doctests of what PyTorch brings for CUDA alone are collected where it is there."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["dsrl_lab/fused_affinity.py"]
