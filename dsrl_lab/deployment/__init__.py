"""Leaving the lab: export a network, and open what was exported."""

from __future__ import annotations

from dsrl_lab.deployment.exported import FORMATS, ExportedNetwork
from dsrl_lab.deployment.writing import PRECISIONS, Exported, calibration_pictures, export, trained_input_size

__all__ = [
    "FORMATS",
    "PRECISIONS",
    "Exported",
    "ExportedNetwork",
    "calibration_pictures",
    "export",
    "trained_input_size",
]
