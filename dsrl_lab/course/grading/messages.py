"""Messages between the grader and the process that runs a student's code: JSON and tensors, never pickle.

A message is two lengths, a JSON header and a block of safetensors. Reading it runs no code, and stops at a limit.
"""

from __future__ import annotations

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


class Garbled(ValueError):  # noqa: N818
    """What arrived is no message."""


def encode(message: Any) -> bytes:
    """A message as bytes.

    Args:
        message: plain data, see ``dsrl_lab.course.exercises.recorded.pack``.

    Raises:
        ValueError: it is not plain data.

    Example:
        >>> message = encode({"cases": [(torch.ones(2), 3)]})
        >>> decode(message[LENGTHS.size :], header=LENGTHS.unpack(message[: LENGTHS.size])[0])
        {'cases': [(tensor([1., 1.]), 3)]}
    """
    tensors: list[torch.Tensor] = []
    header = json.dumps(pack(message, tensors)).encode()
    block = safetensors.torch.save({str(number): tensor for number, tensor in enumerate(tensors)}) if tensors else b""
    return LENGTHS.pack(len(header), len(block)) + header + block


def decode(content: bytes, *, header: int) -> Any:
    """A message from its bytes, the lengths left out.

    Args:
        content: header and block.
        header: length of the header.

    Raises:
        Garbled: it is none that ``encode`` makes.
    """
    try:
        named = safetensors.torch.load(content[header:]) if len(content) > header else {}
        tensors = [named[str(number)] for number in range(len(named))]
        return unpack(json.loads(content[:header]), tensors)
    except (ValueError, KeyError, RecursionError, safetensors.SafetensorError) as error:
        raise Garbled(f"expected JSON and safetensors, got something else: {str(error)[:200]}") from error


def send(line: socket.socket, message: Any, *, deadline: float | None = None) -> None:
    """Send a message.

    Args:
        line: a connected socket.
        message: plain data.
        deadline: on ``time.monotonic``; none: as long as it takes.

    Raises:
        TimeoutError: the deadline passed.
        OSError: the other side is gone.
    """
    line.settimeout(_left(deadline))
    line.sendall(encode(message))


def receive(line: socket.socket, *, limit: int, deadline: float | None = None) -> Any:
    """Receive a message.

    Args:
        line: a connected socket.
        limit: of its size, in bytes.
        deadline: on ``time.monotonic``; none: as long as it takes.

    Raises:
        EOFError: the other side is gone.
        TimeoutError: the deadline passed.
        Garbled: it is too large, or no message.
    """
    header, block = LENGTHS.unpack(_exactly(line, LENGTHS.size, deadline))
    if header + block > limit:
        raise Garbled(f"a message of {header + block} bytes, more than the {limit} that are allowed")
    return decode(_exactly(line, header + block, deadline), header=header)


def _exactly(line: socket.socket, count: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        line.settimeout(_left(deadline))
        part = line.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise EOFError("the other side is gone")
        parts += part
    return bytes(parts)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left
