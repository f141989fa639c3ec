"""Figures as SVG and PNG that are the same, byte for byte, whenever the same is drawn, each below half a megabyte."""

import base64
import io
import re
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from dsrl_lab.files import whole_file
from dsrl_lab.plots.theme import theme

DOTS_PER_INCH = 144  # twice the 72 points of an inch
LARGEST = 500_000
PHOTOGRAPH = 20_000  # an embedded PNG larger than this is a photograph
EMBEDDED = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")


def write(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as ``path`` with .svg and with .png, and give both; ValueError if one were larger than 500 kB."""
    files = {path.with_suffix(".svg"): svg_bytes(figure), path.with_suffix(".png"): png_bytes(figure)}
    for file, content in files.items():
        if len(content) > LARGEST:
            raise ValueError(f"{file} would be {len(content)} bytes, at most {LARGEST} are allowed; draw it smaller")
        with whole_file(file) as temporary:
            temporary.write_bytes(content)
    return list(files)


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG, with letters as paths: it looks the same where the fonts are not there."""
    buffer = io.BytesIO()
    with theme():
        figure.savefig(buffer, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None, "Creator": None})
    return EMBEDDED.sub(_as_jpeg, buffer.getvalue().decode()).encode()


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG at twice the size of its points; with a palette of 256 colours if it were too large without."""
    buffer = io.BytesIO()
    with theme():
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    content = _saved(picture)
    if len(content) <= LARGEST:
        return content
    small = picture.resize((picture.width // 5, picture.height // 5), Image.Resampling.NEAREST)
    palette = small.quantize(256, kmeans=2)
    dithered = _saved(picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))
    return dithered if len(dithered) <= LARGEST else _saved(picture.quantize(palette=palette, dither=Image.Dither.NONE))


def _saved(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _as_jpeg(match: re.Match[str]) -> str:
    content = base64.b64decode(match.group(1))
    if len(content) < PHOTOGRAPH:
        return match.group(0)
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    buffer = io.BytesIO()
    Image.alpha_composite(ground, picture).convert("RGB").save(buffer, format="jpeg", quality=92, subsampling=0)
    if buffer.tell() >= len(content):
        return match.group(0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
