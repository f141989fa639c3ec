"""The four frameworks of single-image super-resolution, side by side under one contract."""

# ruff: noqa: F401 - names for other rooms

from dsrl_lab.models.super_resolution.base import BicubicUpsample, SuperResolution, SuperResolver
from dsrl_lab.models.super_resolution.dbpn import DBPN
from dsrl_lab.models.super_resolution.espcn import ESPCN, SubPixelConv, icnr_
from dsrl_lab.models.super_resolution.fsrcnn import FSRCNN
from dsrl_lab.models.super_resolution.lapsrn import LapSRN
from dsrl_lab.models.super_resolution.srcnn import SRCNN
