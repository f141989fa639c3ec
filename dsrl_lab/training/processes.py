"""Several processes as one: each scores its own part, and what was counted is added up; BatchNorm over all of them.

What is added up are counts (whole numbers), and values for which each picture has a place of its own that all other
processes leave at zero. Both are the same in any order, so the scores are those of one process to the last bit.
"""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn


def shard(length: int, fabric: Fabric | None = None) -> range:
    """Which of ``length`` pictures this process scores: every so many-th, beginning with its own number.

    Args:
        length: how many there are.
        fabric: the processes; None for one.

    Example:
        >>> list(shard(3))
        [0, 1, 2]
    """
    return range(length) if fabric is None else range(fabric.global_rank, length, fabric.world_size)


def all_reduce_sum(tensor: Tensor, fabric: Fabric | None = None) -> Tensor:
    """Sum of what the processes have; all of them must ask for it.

    Args:
        tensor: counts of this process, or values at its own places among zeros.
        fabric: the processes; None for one.

    Example:
        >>> all_reduce_sum(torch.tensor([2.0, 0.0]))
        tensor([2., 0.])
    """
    if fabric is None or fabric.world_size == 1:
        return tensor
    total = fabric.all_reduce(tensor.clone(), reduce_op="sum")
    assert isinstance(total, Tensor)
    return total.to(tensor.device)


def broadcast_buffers(model: nn.Module, fabric: Fabric | None = None) -> None:
    """Give every process the first one's buffers: BatchNorm's statistics differ, since each saw its own pictures.

    The first process's are those that checkpoints hold.

    Args:
        model: on this process; its buffers are written over.
        fabric: the processes; None for one.
    """
    if fabric is None or fabric.world_size == 1:
        return
    for buffer in model.buffers():
        torch.distributed.broadcast(buffer, src=0)


def synchronise_batch_norm(model: nn.Module, fabric: Fabric) -> None:
    """Let every BatchNorm of a model see the pictures of all processes, as torch.nn.SyncBatchNorm; names stay.

    Args:
        model: changed in place, its own children at least.
        fabric: several processes with a GPU each; PyTorch has no such BatchNorm for CPUs.

    Raises:
        ValueError: one process alone, or no GPUs.
    """
    if fabric.world_size == 1 or fabric.device.type != "cuda":
        raise ValueError(
            f"expected several processes with a GPU each for train.sync_batch_norm, got {fabric.world_size} on "
            f"{fabric.device.type}; start it with torchrun --nproc-per-node GPUS, or set train.sync_batch_norm=false"
        )
    nn.SyncBatchNorm.convert_sync_batchnorm(model)


def leave_together() -> None:
    """End the processes' connection, when all have come so far; left to the interpreter's end, it may abort one.

    Nothing is done where there is none.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
