"""`streets`: the embedded data set, street scenes drawn on the spot from a scene description."""

from dsrl_lab.datasets.streets.dataset import Streets
from dsrl_lab.datasets.streets.layout import sample_scene
from dsrl_lab.datasets.streets.render import render
from dsrl_lab.datasets.streets.scene import Scene

__all__ = ["Scene", "Streets", "render", "sample_scene"]
