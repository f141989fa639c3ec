"""Damage drawn from a seed: bytes at random; files of known formats put right around one strange or hostile part."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    255,
    2**31,
    10**18,
    -(10**30),
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "../../outside.png",
    "/etc/passwd",
    "\x00",
    "__import__('os').system('touch outside')",
    "x" * 5000,
    [],
    {},
    [[]],
    [0] * 40,
    {"a": {"b": [1, 2, {"c": None}]}},
)
EXTREME = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b'"', b"{", b"[", b"\x00" * 8, b"\xff" * 8)


def flip(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 4, 40))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def drop(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data))
    return data[:start] + data[start + dice.randrange(1, 200) :]


def repeat(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data))
    piece = data[start : start + dice.randrange(1, 400)]
    return data[:start] + piece * dice.choice((2, 3, 30)) + data[start:]


def insert(data: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(data) + 1)
    return data[:place] + dice.choice(EXTREME) + dice.randbytes(dice.choice((0, 1, 30))) + data[place:]


def length(data: bytes, dice: random.Random) -> bytes:
    """Overwrite four bytes with a number that a length may be mistaken for."""
    place = dice.randrange(max(len(data) - 4, 1))
    number = struct.pack(dice.choice("<>") + "I", dice.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, len(data), 65536)))
    return data[:place] + number + data[place + 4 :]


def nothing_left(data: bytes, dice: random.Random) -> bytes:
    return dice.choice((b"", dice.randbytes(len(data)), b"\x80\x04cos\nsystem\n(S'touch outside'\ntR."))  # a pickle


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip,
    flip,
    cut,
    drop,
    repeat,
    insert,
    length,
    nothing_left,
)


def png_header(data: bytes, dice: random.Random) -> bytes:
    """Another size, depth or colour type in a PNG's header, its checksum put right."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        return flip(data, dice)
    header = bytearray(data[16:29])
    field = dice.randrange(3)
    if field < 2:
        header[4 * field : 4 * field + 4] = struct.pack(">I", dice.choice((0, 1, 7, 20000, 2**30, 2**31 - 1)))
    else:
        header[8 + dice.randrange(5)] = dice.randrange(256)
    return data[:16] + bytes(header) + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


def strange_value(value: Any, dice: random.Random) -> Any:
    """A copy with one entry, at any depth, replaced, dropped or doubled."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        if dice.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: strange_value(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        place = dice.randrange(len(value))
        if dice.random() < 0.15:
            return value[:place] + value[place + 1 :]
        return [*value[:place], strange_value(value[place], dice), *value[place + 1 :]]
    return dice.choice(STRANGE)


def json_value(data: bytes, dice: random.Random) -> bytes:
    """One value of a JSON file, or of one line of JSON lines, is strange."""
    lines = data.decode().splitlines() if data.count(b"\n") > 1 and data[:1] == b"{" else [data.decode()]
    place = dice.randrange(len(lines))
    try:
        lines[place] = json.dumps(strange_value(json.loads(lines[place]), dice))
    except ValueError:
        return flip(data, dice)
    return "\n".join(lines).encode()


def option_value(data: bytes, dice: random.Random) -> bytes:
    """One of some lines NAME=JSON has a strange value, or one in the value's place."""
    lines = data.decode(errors="replace").splitlines() or ["=1"]
    place = dice.randrange(len(lines))
    name, _, value = lines[place].partition("=")
    try:
        value = json.dumps(strange_value(json.loads(value), dice))
    except ValueError:
        value = deep_json(data, dice).decode()
    lines[place] = f"{name}={value}"
    return "\n".join(lines).encode()


def deep_json(data: bytes, dice: random.Random) -> bytes:
    return b"[" * dice.choice((100, 10_000, 200_000))


def safetensors_header(data: bytes, dice: random.Random) -> bytes:
    """Strange values in a checkpoint's header or in its description, the length before it put right."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    if dice.random() < 0.7:
        description = json.loads(header["__metadata__"]["dsrl_lab"])
        header["__metadata__"]["dsrl_lab"] = json.dumps(strange_value(description, dice))
    else:
        header = strange_value(header, dice)
    changed = json.dumps(header).encode()
    changed += b" " * (-len(changed) % 8)
    return struct.pack("<Q", len(changed)) + changed + data[8 + size :]


def known_header(data: bytes, dice: random.Random) -> bytes:
    """What the file's kind allows: a PNG's header, JSON lines' values, a checkpoint's header."""
    if data[:4] == b"\x89PNG":
        return png_header(data, dice)
    return json_value(data, dice) if data[:1] == b"{" else safetensors_header(data, dice)


def onnx_part(data: bytes, dice: random.Random) -> bytes:
    """An ONNX file with a strange description, operation, attribute, size, or with weights in another file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(data)
    except DecodeError:  # damaged before
        return flip(data, dice)
    node, tensor = dice.choice(model.graph.node), dice.choice(model.graph.initializer)
    kind = dice.randrange(6)
    if kind < 2:
        (entry,) = model.metadata_props
        entry.value = json.dumps(strange_value(json.loads(entry.value), dice))
    elif kind == 2:
        node.op_type = dice.choice(("Relu", "Identity", "If", "Loop", "Gather", "../outside", ""))
    elif kind == 3 and node.attribute:
        attribute = dice.choice(node.attribute)
        attribute.i, attribute.s = dice.choice((0, -1, 2**31, 2**62)), b"strange"
    elif kind == 4 and tensor.dims:
        tensor.dims[dice.randrange(len(tensor.dims))] = dice.choice((0, 1, -1, 2**20, 2**40))
    else:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", dice.choice(("/etc/passwd", "../a.png", "a.png"))), ("length", "8")):
            tensor.external_data.add(key=key, value=value)
    return model.SerializeToString()
