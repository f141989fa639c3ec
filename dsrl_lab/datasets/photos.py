"""Free photographs: those that ship inside the scikit-image wheel, or any folder of pictures.

Source: scikit-image's ``skimage.data``, as installed, with its licences and credits: nothing is ever downloaded.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from torch.utils.data import Dataset

from dsrl_lab.datasets.pictures import list_pictures, read_image, warn_of_left_out

REMEDY = "Install scikit-image 0.24 or newer (its wheel carries them), or name a folder of PNG or JPEG pictures."

# file name: (licence, credit)
WHEEL_PHOTOS = {
    "astronaut.png": ("public domain", "NASA, Great Images database: Eileen Collins"),
    "brick.png": ("CC0", "CC0Textures, Bricks25"),
    "camera.png": ("CC0", "Lav Varshney"),
    "chelsea.png": ("CC0", "Stéfan van der Walt"),
    "coffee.png": ("CC0", "Rachel Michetti, courtesy of Pikolo Espresso Bar"),
    "grass.png": ("CC0", "linolafett (DeviantArt), Grass 01"),
    "gravel.png": ("CC0", "CC0Textures, Gravel04"),
    "hubble_deep_field.jpg": ("public domain", "NASA, Hubble eXtreme Deep Field"),
    "retina.jpg": ("CC0", "Mikael Häggström, Wikimedia Commons"),
    "rocket.jpg": ("public domain", "SpaceX: launch of DSCOVR"),
}


class Photo(NamedTuple):
    """A picture that may be shown, and whom to thank."""

    image: Tensor  # (3, H, W) float32 in [0, 1], RGB; grey photographs have three equal channels
    name: str  # file name without its ending
    licence: str  # as the source states it; "not stated" for a folder of one's own
    credit: str  # who made it


def wheel_folder() -> Path | None:
    """Return the folder of photographs inside the installed scikit-image, or None; does not import it."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    return folder if folder.is_dir() else None


class Photos(Dataset[Photo]):
    """Photographs of different sizes, sorted by name: of the scikit-image wheel, or of the folder ``root``.

    A ValueError where no picture is there; later, on reading, for a damaged file, which is named.

    Example:
        >>> photo = Photos()[Photos().names.index("chelsea")]
        >>> photo.image.shape, photo.licence
        (torch.Size([3, 300, 451]), 'CC0')
    """

    def __init__(self, root: str | Path | None = None) -> None:
        folder = wheel_folder() if root is None else Path(root)
        paths = list_pictures(folder) if folder is not None else ()
        if root is None:
            paths = tuple(path for path in paths if path.name in WHEEL_PHOTOS)
        if not paths:
            place = "the installed scikit-image" if root is None else str(folder)
            raise ValueError(f"found no photographs in {place}. {REMEDY}")
        self.names = tuple(path.stem for path in paths)
        self._credits = WHEEL_PHOTOS if root is None else {}
        self._paths = paths
        if root is not None:
            warn_of_left_out(Path(root))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Photo:
        path = self._paths[index]
        return Photo(read_image(path), path.stem, *self._credits.get(path.name, ("not stated", "not stated")))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} photographs)"
