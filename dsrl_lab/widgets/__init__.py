"""Widgets: live in JupyterLab, pictures in a built notebook, pages without kernel and network.

Wrong input (NaN, one channel, sizes that do not fit) is shown as a message in place of the widget.
Scripts are plain ES modules beside this file, with no build step and nothing fetched.
"""

from dsrl_lab.widgets.affinity import affinity_explorer
from dsrl_lab.widgets.segmentation import segmentation_compare
from dsrl_lab.widgets.super_resolution import super_resolution_compare
from dsrl_lab.widgets.training import training_monitor

__all__ = ["affinity_explorer", "segmentation_compare", "super_resolution_compare", "training_monitor"]
