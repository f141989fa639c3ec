"""DSRL takes every host: a step of the whole objective on each, then SISR is let go and nothing else changes."""

from __future__ import annotations

import pytest
import torch

from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.complexity import complexity
from dsrl_lab.dsrl import DSRL
from dsrl_lab.losses import objective, reconstruction_loss, segmentation_loss
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.models.base import DensePredictor

CLASSES = 5
SMALL = {"deeplabv3plus": "mobilenet_v2", "pspnet": "resnet18", "bisenet": "xception39"}


def host(name: str) -> DensePredictor:
    return SEGMENTATION[name](CLASSES, **({"encoder": SMALL[name]} if name in SMALL else {}))


@pytest.mark.parametrize("name", sorted(SEGMENTATION))
def test_one_step_of_the_whole_objective_moves_every_parameter_of_both_branches(name: str) -> None:
    dsrl = DSRL(host(name)).train()
    low_res, high_res = torch.randn(2, 3, 64, 64), torch.rand(2, 3, 128, 128)
    mask = torch.randint(0, CLASSES, (2, 128, 128))
    before = {key: p.detach().clone() for key, p in dsrl.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(dsrl.parameters(), lr=100)  # far: gradients before a normalisation are tiny

    output = dsrl(low_res)
    assert output.super_res is not None
    assert output.task_features is not None
    assert output.sisr_features is not None
    task = segmentation_loss(output.logits, mask)
    for logits in output.auxiliary:
        task = task + 0.4 * segmentation_loss(logits, mask)
    affinity = feature_affinity_loss(output.task_features, output.sisr_features)
    terms = objective(task, reconstruction_loss(output.super_res, high_res), affinity)
    terms.total.backward()
    optimizer.step()

    assert len(output.auxiliary) == {"pspnet": 1, "bisenet": 2}.get(name, 0)
    assert min(terms.task, terms.sisr, terms.affinity) > 0
    still = [key for key, p in dsrl.named_parameters() if key in before and torch.equal(p, before[key])]
    assert still == []


@pytest.mark.parametrize("name", sorted(SEGMENTATION))
def test_without_sisr_the_logits_are_the_same_bits_and_the_cost_is_the_hosts_and_its_heads(name: str) -> None:
    dsrl = DSRL(host(name)).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        output = dsrl(image)
        assert output.logits.shape == (1, CLASSES, 128, 192)
        assert torch.equal(dsrl.task_model(image), output.logits)
    assert not [key for key in dsrl.task_model.state_dict() if "sisr" in key or "transform" in key]

    network = host(name)
    deployed = complexity(dsrl.task_model.to("meta"), (64, 96))
    plain = complexity(network.to("meta"), (64, 96))
    # Doublings, K -> K with 9 taps, on the class maps at the whole of the input's sides, and before that at a half of
    # them, unless the host's own logits are as large as its input (U-Net).
    by_hand = 9 * CLASSES**2 * (64 * 96 + (32 * 48 if network.spec.logits_stride > 1 else 0))
    assert deployed.macs == plain.macs + by_hand
    assert deployed.macs_without_transposed == plain.macs_without_transposed
