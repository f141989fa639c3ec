"""Messages: what goes in comes out, and what is no message is refused without being run."""

from __future__ import annotations

import pickle
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
import safetensors.torch
import torch

from dsrl_lab.course.grading.messages import BadMessage, clean, encode, receive, send


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_large_message_arrives(line: tuple[socket.socket, socket.socket]) -> None:
    value = {"cases": [(torch.randn(1000, 300), 3), (torch.tensor(float("nan")), "a")]}
    sender = threading.Thread(target=send, args=(line[0], value))
    sender.start()
    got = receive(line[1], limit=2**24, deadline=time.monotonic() + 60)
    sender.join()
    assert torch.equal(got["cases"][0][0], value["cases"][0][0]) and got["cases"][0][1] == 3
    assert got["cases"][1][0].isnan() and got["cases"][1][1] == "a"


def with_tensors(header: bytes, *tensors: torch.Tensor) -> bytes:
    block = safetensors.torch.save({str(number): tensor for number, tensor in enumerate(tensors)})
    return struct.pack(">QQ", len(header), len(block)) + header + block


@pytest.mark.parametrize(
    "content",
    [
        with_tensors(b'{"list": [{"tensor": 0}, {"tensor": 0}]}', torch.zeros(2)),
        with_tensors(rb'{"list": [{"tensor": 0}, {"tens\u006fr": 0}]}', torch.zeros(2)),
        with_tensors(b'{"tensor": 0}', torch.zeros([1] * 17)),
        struct.pack(">QQ", 2**40, 0),
        struct.pack(">QQ", 1, 0) + b"{",
        struct.pack(">QQ", 2, 5) + b"{}12345",
        struct.pack(">QQ", 14, 0) + b'{"tensor": 12}',
        struct.pack(">QQ", 60_000, 0) + b"[" * 60_000,
        struct.pack(">QQ", 0, 9) + pickle.dumps(3)[:4].ljust(9, b"x"),
    ],
    ids=[
        "named twice",
        "named twice in other letters",
        "too many axes",
        "too large",
        "no JSON",
        "no safetensors",
        "no such tensor",
        "nested",
        "a pickle",
    ],
)
def test_what_is_no_message_is_refused(content: bytes, line: tuple[socket.socket, socket.socket]) -> None:
    line[0].sendall(content)
    line[0].close()
    with pytest.raises(BadMessage, match=r"expected JSON and safetensors|more than the"):
        receive(line[1], limit=2**20)


def test_an_end_and_a_deadline_are_reported(line: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        receive(line[1], limit=10, deadline=time.monotonic() + 0.05)
    with pytest.raises(TimeoutError, match="the time is up"):
        receive(line[1], limit=10, deadline=time.monotonic() - 1)
    line[0].close()
    with pytest.raises(EOFError, match="the other side is gone"):
        receive(line[1], limit=10)


def test_only_plain_data_is_sent() -> None:
    with pytest.raises(ValueError, match="expected plain data"):
        encode(print)


def test_a_students_text_loses_what_cannot_be_shown() -> None:
    assert clean("a\tb\0\ud800c\n", 6) == "a\tb\ufffd\ufffdc"
