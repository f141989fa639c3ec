"""How an answer is called, in a student's copy as well, and what is refused while it runs, whatever its text says."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from dsrl_lab.language import translate

Answer = Callable[..., Any]
Case = tuple[Any, ...]
"""The arguments of one call."""
Run = Callable[[Answer, Case], Any]


class Mistake(Exception):  # noqa: N818
    """A mistake that is seen while an answer runs; its text is a sentence for the student, in the reader's language."""

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(translate(text, **values))


def call(answer: Answer, case: Case) -> Any:
    """Call an answer with copies of the inputs. It is a Mistake to return None or to change an input in place."""
    copies = tuple(map(_copy, case))
    result = answer(*copies)
    if result is None:
        raise Mistake("Your function returns None. Does its last line begin with `return`?")
    for place, (before, after) in enumerate(zip(case, copies, strict=True)):
        if not _same(before, after):
            raise Mistake(
                "Your function changes its {which} input in place, so the caller's data is lost. Make a new value: "
                "`x = x / n`, not `x /= n`; `x.relu()`, not `x.relu_()`; `x.clone()` before you assign to parts of it.",
                which=_which(place),
            )
    return result


def _which(place: int) -> str:
    return translate(("first", "second", "third", "fourth", "fifth")[place])


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    return type(value)(map(_copy, value)) if type(value) in (list, tuple) else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(item, b[name]) for name, item in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def call_for_loss(answer: Answer, case: Case) -> Any:
    """Call an answer whose result is a loss: it must have a gradient with respect to the first input."""
    result = call(answer, case)
    _require_gradient(answer, case, 1)
    return result


def call_for_loss_of_two(answer: Answer, case: Case) -> Any:
    """As ``call_for_loss``, for a loss that trains both of its first two inputs."""
    result = call(answer, case)
    _require_gradient(answer, case, 2)
    return result


def call_in_strips(answer: Answer, case: Case) -> dict[str, Any]:
    """06.5: the loss, and whether a tensor of P x P numbers was made on the way; both inputs get a gradient."""
    with LargestTensor() as largest:
        loss = call(answer, case)
    a, b, rows = case
    _require_gradient(answer, (a[:, :24], b[:, :24], rows), 2)  # autograd keeps all strips: not for long inputs
    return {"loss": loss, "tensors of P x P numbers": int(largest.numbers >= a.shape[1] ** 2)}


def _require_gradient(answer: Answer, case: Case, trained: int) -> None:
    inputs = tuple(map(_copy, case))
    leaves = [value if isinstance(value, list) else [value] for value in inputs[:trained]]
    for leaf in (leaf for group in leaves for leaf in group):
        leaf.requires_grad_()
    loss = answer(*inputs)
    cut = translate("`.item()`, `float()`, `.tolist()`, `.detach()` and `torch.tensor(...)` cut the gradient off.")
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        raise Mistake("Your loss has no gradient, so nothing can be trained with it. {cut}", cut=cut)
    for place, group in enumerate(leaves):
        gradients = torch.autograd.grad(loss.sum(), group, retain_graph=True, allow_unused=True)
        reached = [gradient for gradient in gradients if gradient is not None and bool(gradient.any())]
        if not reached:
            sentence = "Your loss has no gradient with respect to its {which} input. {cut}"
            raise Mistake(sentence, which=_which(place), cut=cut)
        if bool(loss.isfinite().all()) and not all(bool(gradient.isfinite().all()) for gradient in reached):
            raise Mistake("The gradient of your loss is not finite: is a root or a logarithm taken at 0?")


def call_for_ids(answer: Answer, case: Case) -> Any:
    """Call an answer whose result is class ids: whole numbers as a loss and an index need them."""
    result = call(answer, case)
    if isinstance(result, Tensor) and (result.is_floating_point() or result.is_complex()):
        sentence = "Class ids are int64, your result is {dtype}: a loss or an index would refuse it."
        raise Mistake(sentence, dtype=result.dtype)
    return result


def call_without_pixel_shuffle(answer: Answer, case: Case) -> Any:
    """Call an answer that may use no ready-made pixel shuffle."""
    with _Without("pixel_shuffle"):
        return call(answer, case)


def call_without_adaptive_pooling(answer: Answer, case: Case) -> Any:
    """Call an answer that may use no ready-made adaptive average pooling."""
    with _Without("adaptive_avg_pool"):
        return call(answer, case)


def call_deconvolution(answer: Answer, case: Case) -> Tensor:
    """05.4: what the layer does with maps, not how its weight is written."""
    classes, maps = case
    weight = torch.as_tensor(call(answer, (classes,)))
    if weight.shape != (classes, classes, 3, 3):
        sentence = "The shape of the weight is {shape}, expected {right}, for {n} class{plural}."
        right, plural = (classes, classes, 3, 3), "es" * (classes > 1)
        raise Mistake(sentence, shape=tuple(weight.shape), right=right, n=classes, plural=plural)
    return F.conv_transpose2d(maps, weight.to(maps.dtype), stride=2, padding=1, output_padding=1)


class LargestTensor(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that any operation makes."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else PyTorch imports its compiler here, which takes a second and a half."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


class _Without(TorchFunctionMode):
    """Refuses each function of PyTorch whose name contains a word, by whatever path it is called."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if self.word in name:
            sentence = "Your function calls `{name}`. The exercise is to do its work yourself, without it."
            raise Mistake(sentence, name=name)
        return func(*args, **(kwargs or {}))


CALLS: dict[str, Run] = {name: function for name, function in globals().items() if name.startswith("call")}
"""By name, as a record of an exercise knows them."""
