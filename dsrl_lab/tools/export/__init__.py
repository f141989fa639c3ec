"""Leaving the lab: export a network, and open what was exported."""

from __future__ import annotations

from dsrl_lab.tools.export.exported import FORMATS, ExportedNetwork
from dsrl_lab.tools.export.writing import (
    PRECISIONS,
    Exported,
    calibration_pictures,
    check_choice,
    check_serves,
    chosen_input_size,
    export,
)

__all__ = [
    "FORMATS",
    "PRECISIONS",
    "Exported",
    "ExportedNetwork",
    "calibration_pictures",
    "check_choice",
    "check_serves",
    "chosen_input_size",
    "export",
]
