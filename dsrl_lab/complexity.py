"""What a network costs: parameters and true multiply-adds.

1 MAC = one multiply-add of a convolution, transposed convolution or matrix product (linear layers); FLOPs = 2 x MACs.
Normalisation, activations, pooling, resizing and biases are not counted; taps on padding are, functional calls too. The
authors' counter sees ``Conv2d`` modules alone, not their head's deconvolutions: ``macs_without_transposed``.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

Kind = Literal["convolution", "transposed convolution", "matrix product"]

aten = torch.ops.aten
MATRIX_PRODUCTS = (aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default)


class LayerMacs(NamedTuple):
    """Multiply-adds of one layer for one image; ``name`` is that of ``named_modules``, "" for the network itself."""

    name: str
    kind: Kind
    macs: int


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """The cost of one forward pass over one image: all parameters, and the layers in order of execution."""

    parameters: int
    layers: tuple[LayerMacs, ...]

    @property
    def macs(self) -> int:
        """True multiply-adds, transposed convolutions included."""
        return sum(layer.macs for layer in self.layers)

    @property
    def macs_without_transposed(self) -> int:
        """Multiply-adds as counted by those who overlook transposed convolutions."""
        return sum(layer.macs for layer in self.layers if layer.kind != "transposed convolution")

    @property
    def macs_by_layer(self) -> dict[str, int]:
        """Multiply-adds by layer name, those of a layer that runs more than once added up."""
        totals: Counter[str] = Counter()
        for layer in self.layers:
            totals[layer.name] += layer.macs
        return dict(totals)


class _MacCounter(TorchDispatchMode):
    """Notes each counted operation under the name of the module that is running."""

    def __init__(self) -> None:
        super().__init__()
        self.running = [""]
        self.layers: list[LayerMacs] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is aten.convolution.default:
            x, weight, transposed = args[0], args[1], args[6]
            # Each position of a transposed convolution's input, of a plain one's output, meets the whole kernel once.
            positions = len(x) * math.prod((x if transposed else result).shape[2:])
            kind: Kind = "transposed convolution" if transposed else "convolution"
            self.layers.append(LayerMacs(self.running[-1], kind, positions * weight.numel()))
        elif func in MATRIX_PRODUCTS:
            left, right = [argument for argument in args if isinstance(argument, Tensor)][-2:]
            self.layers.append(LayerMacs(self.running[-1], "matrix product", left.numel() * right.shape[-1]))
        return result


@contextmanager
def _instrumented(model: nn.Module, running: list[str]) -> Iterator[None]:
    """Keep the innermost running module's name at the end of ``running``, attention's products apart; undo it after."""
    handles, fast = [], torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: running.append(name)))
        handles.append(module.register_forward_hook(lambda *_: running.__delitem__(-1), always_call=True))
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation without gradients; afterwards each of its modules is as it was."""
    was_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode(False), torch.no_grad():  # inference mode would hide convolutions from the counter
            yield
    finally:
        for module in was_training:
            module.training = True


def complexity(model: nn.Module, input_size: tuple[int, int], *, channels: int = 3) -> Complexity:
    """Count parameters and MACs of one pass over an image of ``input_size`` (H, W), in evaluation; the network is kept.

    Raises:
        ValueError: a side of ``input_size`` is below 1, or the network is scripted or traced, which hides its layers.

    Example:
        >>> block = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 2, 2, stride=2))
        >>> cost = complexity(block, (4, 5))
        >>> cost.parameters, cost.macs_by_layer  # 4 x 5 positions x (3 x 8 x 9 or 8 x 2 x 4)
        (290, {'0': 4320, '1': 1280})
    """
    if min(input_size) < 1:
        raise ValueError(f"expected an input_size (H, W) of at least (1, 1), got {input_size}; pass pixels")
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ValueError("a scripted or traced network hides what it computes; pass the network as it was written")
    device, dtype = next(((one.device, one.dtype) for one in model.parameters()), (torch.device("cpu"), torch.float32))
    parameters, counter = sum(parameter.numel() for parameter in model.parameters()), _MacCounter()
    with evaluating(model), _instrumented(model, counter.running), counter:
        model(torch.zeros(1, channels, *input_size, device=device, dtype=dtype))
    return Complexity(parameters=parameters, layers=tuple(counter.layers))
