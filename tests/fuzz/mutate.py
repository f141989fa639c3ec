"""Damage drawn from a seed: bytes at random; files of known formats put right around one strange or hostile part."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import torch

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


class _Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch outside",)


def hostile_pickle(dice: random.Random) -> bytes:
    """A pickle that would run a command, plain or as ``torch.save`` packs it."""
    if dice.random() < 0.5:
        return pickle.dumps(_Payload())
    sink = io.BytesIO()
    torch.save(_Payload(), sink)
    return sink.getvalue()


HOSTILE_MEMBERS = (
    "data/sample_inputs/model.pt",
    "data/weights/model.pt",
    "data/weights/weight_0",
    "data/constants/model.pt",
    "data/constants/tensor_0",
    "data/constants/opaque_obj_0",
    "data/constants/custom_obj_0",
    "data/aotinductor/model/net.so",
    "data/aotinductor/model/net.cpp",
)


def pt2_member(data: bytes, dice: random.Random) -> bytes:
    """A .pt2 with one member strange, hostile, doubled, dropped or renamed; its checksums are right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError):  # damaged before
        return flip(data, dice)
    folder = next(iter(members)).split("/")[0]
    name, kind = dice.choice(list(members)), dice.random()
    named = {place.partition("/")[2]: place for place in members}
    texts = [place for place in members if place.endswith(".json")]
    if kind < 0.5:
        place = dice.choice(texts)
        members[place] = json.dumps(strange_value(json.loads(members[place]), dice)).encode()
    elif kind < 0.75:
        place = dice.choice(HOSTILE_MEMBERS)
        members[f"{folder}/{place}"] = hostile_pickle(dice)
        config = named.get(f"{place.rpartition('/')[0]}/model_{place.split('/')[1]}_config.json")
        if config is not None:
            values = json.loads(members[config])
            entry = {"path_name": place.rpartition("/")[2], "is_param": False, "use_pickle": True, "tensor_meta": None}
            values["config"][dice.choice([*values["config"], "more"])] = entry
            members[config] = json.dumps(values).encode()
    elif kind < 0.85:
        members[name] = dice.choice(BYTES)(members[name] or b"\0", dice)
    elif kind < 0.95:
        members[dice.choice((f"{folder}/{dice.choice(HOSTILE_MEMBERS)}", "../outside", "/outside"))] = members.pop(name)
    else:
        del members[name]
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", dice.choice((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,))) as archive:
        for place, content in members.items():
            archive.writestr(place, content)
    return sink.getvalue()


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
