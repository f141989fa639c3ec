"""Released Cityscapes checkpoints (.pth) as they are: ESPNetv2 of its authors (EdgeNets), and DSRL of the paper's.

Both hold ESPNetv2 with 20 outputs, the last for pixels without a class; DSRL's holds the deconvolution head as well,
``bu_dec_l5`` and ``bu_dec_l6``. Files are read without pickled code (``weights_only``).
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dsrl_lab.dsrl import DeconvolutionHead, SuperResolved
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2, our_name, read_release
from dsrl_lab.training.config import NetworkConfig

HEAD = [our_name(f"bu_dec_l{number}.") for number in (5, 6)]


class Released(nn.Module):
    """A released network; its logits (N, 19, h, w) are those of Cityscapes' classes."""

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network, self.num_classes = network, num_classes

    def forward(self, image: Tensor) -> Tensor:
        """Segment images (N, 3, H, W) in [0, 1]."""
        logits: Tensor = self.network(image)
        return logits[:, : self.num_classes]


def open_release(path: Path) -> tuple[Released, dict[str, Any]]:
    """Open a release: the network, and its description as a checkpoint of the kit has it.

    Every tensor of the network comes from the file. What a file holds beyond it is named in ``left_out``: the branches
    of DSRL that only training uses.

    ValueError where the file is no such release, or incomplete.
    """
    state, width = read_release(path)
    outputs, pyramid_channels = state["classifier.weight"].shape[:2]
    host = ESPNetv2(outputs, width=width, pyramid_channels=pyramid_channels)
    whole = any(name.startswith(tuple(HEAD)) for name in state)
    network = SuperResolved(host, DeconvolutionHead(host)) if whole else host
    if whole:
        state = {_in_whole(name): tensor for name, tensor in state.items()}
    wanted = network.state_dict()
    try:
        network.load_state_dict({name: tensor for name, tensor in state.items() if name in wanted})
    except RuntimeError as error:
        raise ValueError(f"{path} is an incomplete or altered release: {error}; fetch it again") from error
    config = NetworkConfig(
        host="espnetv2",
        num_classes=outputs - 1,
        host_options={"width": width},
        sssr="deconvolution" if whole else None,
        align_corners=not whole,
    )
    left_out = sorted(set(state) - set(wanted))
    description = {"network": config.to_json(), "dataset": "cityscapes", "left_out": left_out}
    return Released(network.eval(), outputs - 1), description


def _in_whole(name: str) -> str:
    for number, prefix in enumerate(HEAD):
        if name.startswith(prefix):
            return f"sssr_head.blocks.{number}.{name.removeprefix(prefix)}"
    return f"host.{name}"
