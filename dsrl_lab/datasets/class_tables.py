"""Class tables that several rooms need: names, official colours, thin classes.

Source: CamVid's 11 classes in SegNet's order (Badrinarayanan et al. 2017), colours of Brostow et al. 2009; Cityscapes'
19 train ids and colours (Cordts et al. 2016). Which classes count as thin is our choice.
"""

from dsrl_lab.datasets.base import ClassTable


def read_colours(text: str) -> dict[str, tuple[int, int, int]]:
    """Read "name r g b, other name r g b, ..." into colours by name.

    Example:
        >>> read_colours("road 128 64 128, traffic sign 220 220 0")
        {'road': (128, 64, 128), 'traffic sign': (220, 220, 0)}
    """
    entries = (entry.rsplit(maxsplit=3) for entry in text.split(","))
    return {name.strip(): (int(red), int(green), int(blue)) for name, red, green, blue in entries}


def _table(text: str, thin: tuple[str, ...]) -> ClassTable:
    colours = read_colours(text)
    return ClassTable(tuple(colours), tuple(colours.values()), thin)


CAMVID = _table(
    "sky 128 128 128, building 128 0 0, pole 192 192 128, road 128 64 128, pavement 0 0 192, tree 128 128 0, "
    "signsymbol 192 128 128, fence 64 64 128, car 64 0 128, pedestrian 64 64 0, bicyclist 0 128 192",
    thin=("pole", "signsymbol", "fence", "pedestrian", "bicyclist"),
)
CITYSCAPES = _table(
    "road 128 64 128, sidewalk 244 35 232, building 70 70 70, wall 102 102 156, fence 190 153 153, pole 153 153 153, "
    "traffic light 250 170 30, traffic sign 220 220 0, vegetation 107 142 35, terrain 152 251 152, sky 70 130 180, "
    "person 220 20 60, rider 255 0 0, car 0 0 142, truck 0 0 70, bus 0 60 100, train 0 80 100, motorcycle 0 0 230, "
    "bicycle 119 11 32",
    thin=("fence", "pole", "traffic light", "traffic sign", "person", "rider", "motorcycle", "bicycle"),
)

CLASS_TABLES = {"streets": CAMVID, "camvid": CAMVID, "cityscapes": CITYSCAPES}
