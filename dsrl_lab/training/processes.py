"""Several processes as one: each scores its own part, and sums that do not hang on their order give one's scores."""

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn


def shard(length: int, fabric: Fabric | None = None) -> range:
    """Indices of the ``length`` pictures that this process scores."""
    return range(length) if fabric is None else range(fabric.global_rank, length, fabric.world_size)


def all_reduce_sum(tensor: Tensor, fabric: Fabric | None = None) -> Tensor:
    """Sum of the processes' counts, or of values at places of their own; all of them must call this."""
    if fabric is None or fabric.world_size == 1:
        return tensor
    total = fabric.all_reduce(tensor.clone(), reduce_op="sum")
    assert isinstance(total, Tensor)
    return total.to(tensor.device)


def broadcast_buffers(model: nn.Module, fabric: Fabric | None = None) -> None:
    """Give every process the first one's buffers, which checkpoints hold: BatchNorm's statistics differ among them."""
    if fabric is None or fabric.world_size == 1:
        return
    for buffer in model.buffers():
        torch.distributed.broadcast(buffer, src=0)


def synchronise_batch_norm(model: nn.Module, fabric: Fabric) -> None:
    """Let every BatchNorm of a model see the pictures of all processes, in place; names stay. Needs several GPUs."""
    if fabric.world_size == 1 or fabric.device.type != "cuda":
        raise ValueError(
            f"expected several processes with a GPU each for train.sync_batch_norm, got {fabric.world_size} on "
            f"{fabric.device.type}; start it with torchrun --nproc-per-node GPUS, or set train.sync_batch_norm=false"
        )
    nn.SyncBatchNorm.convert_sync_batchnorm(model)


def leave_together() -> None:
    """End the connection of processes, if any, when all have arrived; at the interpreter's exit it may abort one."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
