"""The paper's numbers as data, each with a mark that says how sure it is; what was read off a figure is marked so.

Source: Wang et al., CVPR 2020 (Table 1, Figure 1, abstract), the authors' repository, and counts made on public code.
mIoU is in per cent, on Cityscapes val; sizes are (H, W); costs are millions of multiply-adds (MACs).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

HOSTS = ("ESPNetv2", "DeepLabv3+")


class Mark(StrEnum):
    """How sure a number is; its value is the short form for tables and figures."""

    PAPER = "P"  # seen in the paper
    AUTHORS = "A"  # said by the authors elsewhere
    SECOND_HAND = "B"  # a reader or re-implementer says so
    MEASURED = "M"  # on public code
    READ_OFF = "read off"  # a figure, with an error
    UNKNOWN = "?"


@dataclass(frozen=True, kw_only=True)
class Number:
    """One number with its mark.

    Example:
        >>> print(Number(value=59.1, mark=Mark.READ_OFF, error=0.2, unit="% mIoU"))
        59.1 ± 0.2 % mIoU [read off]
    """

    value: float | None  # None where it is not known
    mark: Mark
    unit: str = ""  # empty for a pure number
    error: float | None = None  # half-width, in the same unit, of read-off numbers alone
    note: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != (self.mark is Mark.UNKNOWN):
            raise ValueError(f"expected no value exactly where the mark is '?', got {self.value} [{self.mark}]")
        if (self.error is not None) != (self.mark is Mark.READ_OFF):
            raise ValueError(f"expected an error exactly where a number is read off, got {self.error} [{self.mark}]")

    def __str__(self) -> str:
        value = "not known" if self.value is None else f"{self.value:g}"
        error = "" if self.error is None else f" ± {self.error:g}"
        return f"{value}{error}{' ' if self.unit else ''}{self.unit} [{self.mark}]"


def _miou(value: float, mark: Mark = Mark.PAPER, error: float | None = None) -> Number:
    return Number(value=value, mark=mark, unit="% mIoU", error=error)


def _points(value: float) -> Number:
    return Number(value=value, mark=Mark.PAPER, unit="points of mIoU")


def _macs(value: float) -> Number:
    return Number(value=value, mark=Mark.MEASURED, unit="M MACs")


class TableRow(NamedTuple):
    """A row of Table 1: our name of it, its label, host to score."""

    row: str
    label: str
    miou: dict[str, Number]


TABLE_1_INPUT = (256, 512)
TABLE_1 = tuple(
    TableRow(row, label, dict(zip(HOSTS, map(_miou, scores), strict=True)))
    for row, label, scores in (
        ("baseline", "baseline", (54.5, 56.5)),
        ("sssr", "+ SSSR", (55.7, 57.1)),
        ("sisr", "+ SSSR + SISR", (56.9, 57.4)),
        ("dsrl", "+ SSSR + SISR + FA", (59.5, 59.2)),
    )
)


class Figure1Point(NamedTuple):
    """One size of one host in Figure 1; scores are read off, rescaled by its labels and anchored at Table 1."""

    host: str
    input_size: tuple[int, int]
    gain: Number  # as the figure's label says, DSRL over the baseline
    baseline: Number
    dsrl: Number


READ_OFF_ERROR = {"ESPNetv2": 0.2, "DeepLabv3+": 0.4}
_LABELS = {  # gain, baseline, DSRL
    "ESPNetv2": ((5.0, 54.5, 59.5), (4.8, 57.1, 61.9), (2.6, 61.3, 64.0), (2.5, 63.2, 65.6), (2.4, 64.4, 66.8)),
    "DeepLabv3+": ((2.7, 56.5, 59.2), (2.4, 59.2, 61.5), (2.3, 61.7, 64.0), (2.0, 63.3, 65.4), (2.0, 69.4, 71.4)),
}
FIGURE_1 = tuple(
    Figure1Point(
        host,
        (height, 2 * height),
        _points(gain),
        *(_miou(score, Mark.READ_OFF, READ_OFF_ERROR[host]) for score in (baseline, dsrl)),
    )
    for host, labels in _LABELS.items()
    for height, (gain, baseline, dsrl) in zip((256, 320, 384, 448, 512), labels, strict=True)
)


class ReleaseRow(NamedTuple):
    """A row of the authors' table, ESPNetv2 of width 2.0; costs are DSRL's too: their counter sees Conv2d alone."""

    input_size: tuple[int, int]
    baseline: Number
    dsrl: Number
    stated_macs: Number


_STATED = Number(value=674.78, mark=Mark.AUTHORS, unit="M", note="called FLOPs; the same for every row of the table")
RELEASE = tuple(
    ReleaseRow(size, _miou(baseline, Mark.AUTHORS), _miou(dsrl, Mark.AUTHORS), _STATED)
    for size, baseline, dsrl in (((256, 512), 54.83, 60.61), ((512, 1024), 64.44, 66.50))
)


class Claim(NamedTuple):
    """What the abstract, or an account of the paper, claims: a short name, and its number."""

    name: str
    number: Number


_SHARE = Number(value=70, mark=Mark.PAPER, unit="% of the FLOPs")
_PSNR = Number(value=0.35, mark=Mark.SECOND_HAND, note="as reported; cannot be a PSNR in dB")
CLAIMS = (
    Claim("segmentation, same cost", _points(2.0)),
    Claim("segmentation, same score", _SHARE),
    Claim("pose, same cost", Number(value=2.0, mark=Mark.PAPER, unit="points of mAP")),
    Claim("pose, same score", _SHARE),
    Claim("super-resolution, PSNR", _PSNR),
    Claim("super-resolution, SSIM", Number(value=0.78, mark=Mark.SECOND_HAND)),
)


class Cost(NamedTuple):
    """What ESPNetv2 (width 2.0, 20 outputs) with the released SSSR head costs at one input size, counted in full."""

    input_size: tuple[int, int]
    convolutions: Number  # the plain host, all that the released counter sees
    deconvolutions: Number  # the two of the SSSR head
    total: Number


COSTS = (
    Cost((256, 512), _macs(674.46), _macs(589.82), _macs(1264.28)),
    Cost((512, 1024), _macs(2697.74), _macs(2359.30), _macs(5057.04)),
)
SETTINGS: dict[str, Number] = {
    "w1, weight of SISR": Number(value=0.1, mark=Mark.SECOND_HAND, note="four sources agree"),
    "w2, weight of FA": Number(value=1.0, mark=Mark.SECOND_HAND, note="four sources agree"),
    "p of the affinity's normalisation": Number(value=2, mark=Mark.AUTHORS),
    "q of the affinity's loss": Number(value=1, mark=Mark.SECOND_HAND),
    "features sub-sampled to 1 /": Number(value=8, mark=Mark.SECOND_HAND, note="per side or in area is not said"),
    "learning rate": Number(value=0.01, mark=Mark.SECOND_HAND),
    "momentum": Number(value=0.9, mark=Mark.SECOND_HAND),
    "weight decay": Number(value=5e-4, mark=Mark.SECOND_HAND),
    "poly power": Number(value=0.9, mark=Mark.SECOND_HAND),
    "epochs": Number(value=None, mark=Mark.UNKNOWN),
    "batch size": Number(value=None, mark=Mark.UNKNOWN),
    "crop and augmentation": Number(value=None, mark=Mark.UNKNOWN),
    "gradient of FA into SISR": Number(value=None, mark=Mark.UNKNOWN, note="detached or not"),
}


def table_1_gain(row: str, host: str, over: str = "baseline") -> Number:
    """Gain of a row of Table 1 over another, in points of mIoU; ValueError for a row or host that it does not have.

    Example:
        >>> print(table_1_gain("dsrl", "ESPNetv2"))
        5 points of mIoU [P]
    """
    scores = {line.row: line.miou for line in TABLE_1}
    if row not in scores or host not in HOSTS:
        raise ValueError(f"Table 1 has no {row!r} for {host!r}; rows: {', '.join(scores)}, hosts: {', '.join(HOSTS)}")
    value, before = scores[row][host].value, scores[over][host].value
    assert value is not None and before is not None
    return _points(round(value - before, 2))
