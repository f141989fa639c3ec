"""The renderer of drawn streets: from a scene description to picture and mask. NumPy alone, it knows no PyTorch."""

from dsrl_lab.streets.layout import sample_scene
from dsrl_lab.streets.render import render
from dsrl_lab.streets.scene import Scene

__all__ = ["Scene", "render", "sample_scene"]
