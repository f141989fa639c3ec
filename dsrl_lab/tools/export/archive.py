"""What a .pt2 may hold: it is read as data and held to lists, and PyTorch is given a copy of what passed, nothing else.

``torch.export.load`` trusts its file. It unpickles members, loads compiled libraries, finds functions anywhere in torch
by their path, evaluates expressions and guards as Python, and writes names into Python that it runs. None of that is
needed for a network, so a file is refused unless

- its members are those that ``torch.export.save`` writes for a network, stored without compression, each once;
- its graph calls ``OPERATIONS`` alone, none of which touches a file;
- its names are names, its expressions the size of a batch, its trees tuples and dictionaries.

Example inputs (a pickle), guards and traces are left out of the copy. Pickled weights, as PyTorch wrote them before
2.9, are read as tensors alone (``weights_only``). A network with another operation can still go out as ONNX.
"""

from __future__ import annotations

import io
import json
import keyword
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OPERATIONS = frozenset(
    re.findall(
        r"\w+",
        """
        _assert_tensor_metadata _softmax _to_copy adaptive_avg_pool2d adaptive_max_pool2d add add_ addmm
        alias avg_pool2d batch_norm bmm cat chunk clamp clamp_ clone constant_pad_nd contiguous conv2d
        conv_transpose2d convolution detach detach_ div div_ dropout dropout_ elu elu_ expand
        feature_dropout flatten gelu group_norm hardsigmoid hardswish hardswish_ hardtanh hardtanh_
        instance_norm layer_norm leaky_relu leaky_relu_ linear matmul max_pool2d mean mul mul_ pad permute
        pixel_shuffle pixel_unshuffle prelu relu relu6 relu6_ relu_ reshape select sigmoid sigmoid_ silu
        silu_ slice softmax split split_with_sizes sqrt squeeze stack sub sub_ sum tanh tanh_ to transpose
        unflatten unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_nearest2d view
        """,
    )
)
DESCRIPTION_FILE = "dsrl_lab.json"
GRAPH, DESCRIPTION = "models/model.json", f"extra/{DESCRIPTION_FILE}"
MEMBERS = re.compile(
    r"archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id|models/model\.json"
    r"|data/weights/(?:weight_\d+|model\.pt|model_weights_config\.json)"
    r"|data/constants/(?:tensor_\d+|model\.pt|model_constants_config\.json)"
    r"|data/sample_inputs/model\.pt|extra/dsrl_lab\.json"
)
OLD_GRAPH, OLD_DESCRIPTION = "serialized_exported_program.json", f"extra_files/{DESCRIPTION_FILE}"  # before PyTorch 2.8
OLD_MEMBERS = re.compile(
    r"version|serialized_exported_program\.json|extra_files/dsrl_lab\.json"
    r"|serialized_(?:state_dict|constants|example_inputs)\.pt"
)
EXAMPLE_INPUTS = ("data/sample_inputs/model.pt", "serialized_example_inputs.pt")
LEFT_OUT: dict[str, Any] = {"metadata": {}, "guards_code": []}  # of a graph: traces of the code, and code

TREE = r'(?:[\s\[\]{}:,\d"\\]|type|context|children_spec|builtins\.tuple|builtins\.dict|null)*'
TARGET = re.compile(rf"torch\.ops\.aten\.(?:{'|'.join(sorted(OPERATIONS))})\.\w+", re.ASCII)
TEXTS = {  # what a text may be, by the key that it stands under
    "target": TARGET,
    "as_operator": TARGET,
    "expr_str": re.compile(r"(?:Symbol\('s\d+'(?:, (?:positive|integer)=True)*\)|s\d+)", re.ASCII),
    "in_spec": re.compile(TREE, re.ASCII),
    "out_spec": re.compile(TREE, re.ASCII),
    "name": re.compile(r"[A-Za-z_]\w*", re.ASCII),
}
ANY_OTHER = re.compile(r"[\w.+]*", re.ASCII)  # "host.stage2.0.weight", "cpu", "2.14.1+cu130"


def checked_copy(path: Path) -> tuple[io.BytesIO, str]:
    """Check a .pt2 and copy what a network needs.

    Args:
        path: of the file.

    Returns:
        The copy, for ``torch.export.load``, and the text of the kit's description.

    Raises:
        ValueError: the file is no .pt2 of this kit, or asks for something that is on no list.
    """
    members = _members(path)
    old = OLD_GRAPH in members
    folder, graph, description = ("", OLD_GRAPH, OLD_DESCRIPTION) if old else ("archive/", GRAPH, DESCRIPTION)
    for name in (graph, description):
        if name not in members:
            raise ValueError(f"expected {name} in it, found none; write it with dsrl-lab export")
    for name, data in members.items():
        if name in EXAMPLE_INPUTS:
            members[name] = b""
        elif name.endswith(".json") and name != description:
            members[name] = json.dumps(_checked(json.loads(data), "")).encode()
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, data in members.items():
            archive.writestr(folder + name, data)
    copy.seek(0)
    return copy, members[description].decode()


@contextmanager
def only_tensors() -> Iterator[None]:
    """Let ``torch.load`` give nothing but tensors meanwhile, whatever its caller asks for."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        os.environ.pop(names[0])
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _members(path: Path) -> dict[str, bytes]:
    """Members by name, without the folder that they lie in."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        old = OLD_GRAPH in names
        if not old:
            names = [name.partition("/")[2] for name in names]
        for name, entry in zip(names, entries, strict=True):
            if not (OLD_MEMBERS if old else MEMBERS).fullmatch(name):
                raise ValueError(
                    f"expected the parts of a network alone, found {entry.filename!r:.80}, which may be code"
                )
            if entry.compress_type != zipfile.ZIP_STORED and not old:
                raise ValueError(f"expected members that are stored as they are, {entry.filename!r:.80} is compressed")
        if len(set(names)) < len(names):
            raise ValueError("expected every member once, found one twice")
        if sum(entry.file_size for entry in entries) > (100 if old else 1) * path.stat().st_size:
            raise ValueError("its members say more bytes than the file can hold")
        members = {name: archive.read(entry) for name, entry in zip(names, entries, strict=True)}
    for name, data in members.items():
        if not data and "/weight_" in name:  # PyTorch would make as many zeros as its description says
            raise ValueError(f"expected the numbers of {name}, found none")
    return members


def _checked(value: Any, key: str) -> Any:
    """A copy of a JSON value that holds no text but what its place allows.

    Example:
        >>> _checked({"target": "torch.ops.aten.relu.default", "metadata": {"trace": "/home/me"}}, "")
        {'target': 'torch.ops.aten.relu.default', 'metadata': {}}
        >>> _checked({"target": "torch.ops.aten.from_file.default"}, "")
        Traceback (most recent call last):
            ...
        ValueError: 'torch.ops.aten.from_file.default' is not allowed as target
    """
    if isinstance(value, dict):
        for name in value:
            if not ANY_OTHER.fullmatch(name):
                raise ValueError(f"{name!r:.80} is not allowed as a key")
        return {name: LEFT_OUT[name] if name in LEFT_OUT else _checked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_checked(item, key) for item in value]
    if isinstance(value, str) and (not TEXTS.get(key, ANY_OTHER).fullmatch(value) or keyword.iskeyword(value)):
        raise ValueError(f"{value!r:.80} is not allowed as {key or 'text'}")
    return value
