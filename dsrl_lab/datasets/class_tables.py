"""Class tables that several rooms need: names, official colours, thin classes.

Source: CamVid's 11 classes in SegNet's order (Badrinarayanan et al. 2017) with the annotation's colours
(Brostow et al. 2009); Cityscapes' 19 train ids and colours (Cordts et al. 2016). Which classes count as thin is our
choice.
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

CITYSCAPES = ClassTable(
    names=(
        "road",
        "sidewalk",
        "building",
        "wall",
        "fence",
        "pole",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
    ),
    colors=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ),
    thin=("fence", "pole", "traffic light", "traffic sign", "person", "rider", "motorcycle", "bicycle"),
)

# For whom each table speaks, by the name of the data set.
CLASS_TABLES = {"streets": CAMVID, "camvid": CAMVID, "cityscapes": CITYSCAPES}
