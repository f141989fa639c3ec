"""Class tables that several rooms need: names, official colours, thin classes.

Source: CamVid's 11 classes in SegNet's order (Badrinarayanan et al. 2017) with the annotation's colours
(Brostow et al. 2009). Which classes count as thin is our choice.
"""

from __future__ import annotations

from dsrl_lab.datasets.base import ClassTable

CAMVID = ClassTable(
    names=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "signsymbol",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (0, 0, 192),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    thin=("pole", "signsymbol", "fence", "pedestrian", "bicyclist"),
)
