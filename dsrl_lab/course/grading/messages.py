"""Messages between the grader and a student's process: two lengths, JSON and a block of safetensors, never pickle."""

import json
import socket
import struct
import time
from typing import Any

import safetensors
import safetensors.torch
import torch

from dsrl_lab.course.exercises.recorded import pack, unpack

LENGTHS = struct.Struct(">QQ")
MOST_AXES = 16  # of a tensor


class BadMessage(ValueError):  # noqa: N818
    """What came is no message."""


def clean(text: str, most: int = 20_000) -> str:
    """A student's text for a table, a page or a database, without control characters and half characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text[:most])


def numbers(result: torch.Tensor | dict[str, torch.Tensor]) -> int:
    """How many numbers a result has."""
    return sum(part.numel() for part in (result.values() if isinstance(result, dict) else [result]))


class _Once(list[Any]):  # of tensors; a thousand names of one would cost the grader a thousand copies
    def __getitem__(self, place: Any) -> Any:
        tensor = super().__getitem__(place)
        self[place] = None
        if tensor is None:
            raise ValueError("a tensor is named twice")
        return tensor


def encode(message: Any) -> bytes:
    """A message as bytes; raises ValueError if it is not plain data."""
    tensors: list[torch.Tensor] = []
    header = json.dumps(pack(message, tensors)).encode()
    block = safetensors.torch.save({str(number): tensor for number, tensor in enumerate(tensors)}) if tensors else b""
    return LENGTHS.pack(len(header), len(block)) + header + block


def decode(content: bytes, *, header: int) -> Any:
    """A message from its bytes without the lengths; raises BadMessage if ``encode`` would not make it."""
    try:
        message = json.loads(content[:header])
        named = safetensors.torch.load(content[header:]) if len(content) > header else {}
        tensors = _Once(named[str(number)] for number in range(len(named)))
        if any(tensor.dim() > MOST_AXES for tensor in named.values()):
            raise ValueError("a tensor has too many axes")
        return unpack(message, tensors)
    except (ValueError, KeyError, RecursionError, safetensors.SafetensorError) as error:
        raise BadMessage("expected JSON and safetensors, got something else") from error


def send(line: socket.socket, message: Any, *, deadline: float | None = None) -> None:
    """Send a message; raises TimeoutError after the deadline, and OSError if the other side is gone."""
    line.settimeout(_left(deadline))
    line.sendall(encode(message))


def receive(line: socket.socket, *, limit: int, deadline: float | None = None) -> Any:
    """Receive a message; raises TimeoutError, EOFError if the other side is gone, or BadMessage."""
    header, block = LENGTHS.unpack(_exactly(line, LENGTHS.size, deadline))
    if header + block > limit:
        raise BadMessage(f"more than the {limit} bytes that are allowed")
    return decode(_exactly(line, header + block, deadline), header=header)


def _exactly(line: socket.socket, count: int, deadline: float | None) -> bytes:
    found = bytearray()
    while len(found) < count:
        line.settimeout(_left(deadline))
        if not (part := line.recv(min(count - len(found), 1 << 20))):
            raise EOFError("the other side is gone")
        found += part
    return bytes(found)


def _left(deadline: float | None) -> float | None:
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise TimeoutError("the time is up")
    return left
