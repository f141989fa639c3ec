"""The kit's networks by name: three plain dictionaries, name -> class."""

from collections.abc import Callable

from dsrl_lab.models.base import DensePredictor
from dsrl_lab.models.pose.hrnet import HRNet
from dsrl_lab.models.segmentation.bisenet import BiSeNet
from dsrl_lab.models.segmentation.dabnet import DABNet
from dsrl_lab.models.segmentation.deeplabv3plus import DeepLabv3Plus
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2, from_released_checkpoint
from dsrl_lab.models.segmentation.pspnet import PSPNet
from dsrl_lab.models.segmentation.tinynet import TinyNet
from dsrl_lab.models.segmentation.unet import UNet
from dsrl_lab.models.super_resolution import DBPN, ESPCN, FSRCNN, SRCNN, LapSRN, SuperResolver

SUPER_RESOLUTION: dict[str, type[SuperResolver]] = {
    "srcnn": SRCNN,
    "espcn": ESPCN,
    "fsrcnn": FSRCNN,
    "lapsrn": LapSRN,
    "dbpn": DBPN,
}
SEGMENTATION: dict[str, Callable[..., DensePredictor]] = {
    "espnetv2": ESPNetv2,
    "deeplabv3plus": DeepLabv3Plus,
    "pspnet": PSPNet,
    "bisenet": BiSeNet,
    "dabnet": DABNet,
    "tinynet": TinyNet,
    "unet": UNet,
}
# Hosts whose authors have released weights that the kit reads, strictly.
RELEASES: dict[str, Callable[..., DensePredictor]] = {"espnetv2": from_released_checkpoint}
POSE: dict[str, Callable[..., DensePredictor]] = {"hrnet": HRNet}
