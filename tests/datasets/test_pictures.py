from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets.pictures import (
    check_same_size,
    ids_in,
    left_out,
    list_pictures,
    open_mask,
    open_picture,
    pictures_by_stem,
    read_image,
)


def read_ids(path: Path) -> np.ndarray:
    return ids_in(open_mask(path), path)


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_rgb_comes_back_exactly(tmp_path: Path) -> None:
    pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3) * 10
    image = read_image(save(tmp_path / "a.png", pixels))
    assert image.shape == (3, 2, 4) and image.dtype == torch.float32 and image.is_contiguous()
    assert torch.equal((image * 255).round().byte().permute(1, 2, 0), torch.from_numpy(pixels))


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", np.full((2, 4), 51, dtype=np.uint8)))
    assert image.shape == (3, 2, 4)
    assert torch.allclose(image, torch.tensor(0.2))


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", np.array([[0, 13107, 65535]], dtype=np.uint16)))
    assert torch.allclose(image[1], torch.tensor([[0.0, 0.2, 1.0]]))


def test_ids_of_grey_and_palette_files_are_their_numbers(tmp_path: Path) -> None:
    ids = np.array([[0, 7], [11, 255]], dtype=np.uint8)
    assert read_ids(save(tmp_path / "grey.png", ids)).tolist() == ids.tolist()
    palette = Image.fromarray(ids, mode="P")
    palette.putpalette([(i * 7) % 256 for i in range(768)])
    palette.save(tmp_path / "palette.png")
    assert read_ids(tmp_path / "palette.png").tolist() == ids.tolist()


def test_colour_picture_is_no_mask(tmp_path: Path) -> None:
    path = save(tmp_path / "rgb.png", np.zeros((2, 2, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"expected ids in one channel in .*rgb\.png, got mode RGB"):
        read_ids(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a picture at .*gone\.png, found no file"):
        open_picture(tmp_path / "gone.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("damage", ["truncated", "overwritten", "empty", "text"])
def test_damaged_file_is_named_with_the_remedy(tmp_path: Path, suffix: str, damage: str) -> None:
    path = save(tmp_path / f"bad{suffix}", np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    good = path.read_bytes()
    damaged = {
        "truncated": good[: len(good) // 2],
        "overwritten": good[:10] + bytes(1000) + good[1010:],
        "empty": b"",
        "text": b"<html>404</html>",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match=rf"cannot decode .*bad\{suffix} .*replace it by a good copy"):
        read_image(path)


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 50_000
    with pytest.raises(
        ValueError, match=r"at most 110 megapixels, .*bomb.png has 12000 x 12000 .*144 megapixels; reduce"
    ):
        read_image(tmp_path / "bomb.png")


def test_a_picture_of_a_phone_s_108_megapixels_is_opened_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    Image.new("1", (12_000, 9_000)).save(tmp_path / "phone.png")
    assert open_picture(tmp_path / "phone.png").size == (12_000, 9_000) and not list(recwarn)


def test_a_length_that_says_gigabytes_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(picture: Image.Image) -> None:
        raise MemoryError

    path = save(tmp_path / "a.png", np.zeros((2, 2, 3), dtype=np.uint8))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(ValueError, match=r"cannot decode .*a\.png \(MemoryError\); the file is damaged"):
        open_picture(path)


def test_different_sizes_are_named() -> None:
    with pytest.raises(ValueError, match=r"a\.png is \(4, 6\), b\.png is \(4, 5\)"):
        check_same_size(torch.zeros(3, 4, 6), torch.zeros(4, 5), Path("a.png"), Path("b.png"))


def test_listing_is_sorted_and_skips_what_is_no_picture(tmp_path: Path) -> None:
    for name in ["b.png", "a.JPG", "c.txt", ".hidden.png", "._a.png"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["a.JPG", "b.png"]
    assert list_pictures(tmp_path / "nowhere") == ()


def with_exif(path: Path, orientation: int, picture: Image.Image) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_the_eye_sees_it(tmp_path: Path, suffix: str, orientation: int) -> None:
    """What is stored is the upright picture, moved by the inverse of what the tag asks for (TIFF 6.0, section 8)."""
    upright = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright.swapaxes(0, 1)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    options = {"lossless": True} if suffix == ".webp" else {}
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a{suffix}", exif=exif, **options)
    image = read_image(tmp_path / f"a{suffix}")
    assert torch.equal((image * 255).round().byte().permute(1, 2, 0), torch.from_numpy(upright))


def test_masks_are_turned_like_their_pictures(tmp_path: Path) -> None:
    ids = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)
    path = with_exif(tmp_path / "a.png", 6, Image.fromarray(np.ascontiguousarray(np.rot90(ids, 1))))
    assert read_ids(path).tolist() == ids.tolist()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGB"])
def test_what_is_transparent_lies_over_white(tmp_path: Path, mode: str) -> None:
    """Left half opaque, right half wholly transparent over a hidden black; half transparent black is mid-grey."""
    pixels = np.zeros((2, 4, 4), dtype=np.uint8)
    pixels[:, :2] = (51, 51, 51, 255)
    if mode in ("P", "RGB"):
        picture = Image.fromarray(pixels[..., :3]).convert(mode)
        hidden = picture.getpixel((3, 0))
        picture.save(tmp_path / "a.png", transparency=hidden)
    elif mode == "PA":
        Image.fromarray(pixels).convert("PA").save(tmp_path / "a.tif")
    else:
        Image.fromarray(pixels).convert(mode).save(tmp_path / "a.png")
    path = next(tmp_path.iterdir())
    image = read_image(path)
    assert torch.allclose(image[:, :, :2], torch.tensor(51 / 255)) and bool((image[:, :, 2:] == 1).all())


def test_half_transparent_and_opaque_alpha(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    opaque = read_image(save(tmp_path / "a.png", pixels))
    assert torch.equal(opaque, read_image(save(tmp_path / "b.png", pixels[..., :3].copy()))), "to the last bit"
    half = read_image(save(tmp_path / "c.png", np.full((1, 1, 4), (0, 0, 0, 128), dtype=np.uint8)))
    assert torch.allclose(half, torch.tensor(127 / 255))


def test_floats_between_0_and_1_are_brightness(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(read_image(save(tmp_path / "a.tif", values))[2].numpy(), values)


@pytest.mark.parametrize("values", [[-0.5, 1.0], [0.0, 255.0], [0.0, float("nan")], [0.0, float("inf")]])
def test_floats_without_a_known_white_are_refused(tmp_path: Path, values: list[float]) -> None:
    path = save(tmp_path / "a.tif", np.array([values], dtype=np.float32))
    with pytest.raises(ValueError, match=r"a\.tif holds floats beyond 0\.\.1, .* scale it and save it as"):
        read_image(path)


def test_integers_without_a_known_white_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.array([[0, 229]], dtype=np.int32))
    with pytest.raises(ValueError, match=r"a\.tif holds 32-bit or signed integers, from 0 to 229"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_in_every_format(tmp_path: Path, suffix: str) -> None:
    image = read_image(save(tmp_path / f"a{suffix}", np.array([[0, 13107, 65535]], dtype=np.uint16)))
    assert torch.allclose(image[1], torch.tensor([[0.0, 0.2, 1.0]]))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "I;16"])
def test_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (5, 4)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").shape == (3, 4, 5)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
def test_several_frames_are_not_cut_to_the_first(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (5, 4), color) for color in ("red", "green", "blue")]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=rf"expected one picture in .*a\{suffix}, got 3 frames or pages"):
        read_image(tmp_path / f"a{suffix}")
    frames[0].save(tmp_path / f"b{suffix}")
    assert read_image(tmp_path / f"b{suffix}").shape == (3, 4, 5)


@pytest.mark.parametrize(
    "name, options",
    [("a.jpg", {}), ("a.webp", {}), ("a.jp2", {}), ("a.tif", {"compression": "jpeg"}), ("a.png", {"format": "JPEG"})],
)
def test_lossy_masks_are_refused(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    Image.new("L", (16, 16), 3).save(tmp_path / name, **options)
    with pytest.raises(
        ValueError, match=rf"expected a lossless mask, .*{name} is .*; take the original masks, saved as"
    ):
        read_ids(tmp_path / name)


@pytest.mark.parametrize(
    "name, options", [("a.png", {}), ("a.bmp", {}), ("a.gif", {}), ("a.tif", {"compression": "tiff_lzw"})]
)
def test_lossless_masks_are_read(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(ids).save(tmp_path / name, **options)
    assert read_ids(tmp_path / name).tolist() == ids.tolist()


def test_a_mask_of_two_classes_may_have_one_bit(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert read_ids(tmp_path / "a.png").tolist() == [[1, 0]]


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(".git/annex/objects/x")
    with pytest.raises(ValueError, match=r"a\.png is a link to \.git/annex/objects/x, which is not there; fetch"):
        read_image(tmp_path / "a.png")
    assert [path.name for path in list_pictures(tmp_path)] == ["a.png"], "a listing does not lose it"


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    for name in ("a.png", "b.GIF", "c.heic", "notes.txt", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["a.png", "b.GIF"]
    assert left_out(tmp_path) == ("c.heic", "more/", "notes.txt") and left_out(tmp_path / "nowhere") == ()
    with pytest.warns(UserWarning, match=r"not read in .*, 3 in all: c\.heic, more/, notes\.txt$"):
        assert pictures_by_stem(tmp_path) == {"a": tmp_path / "a.png", "b": tmp_path / "b.GIF"}


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png have one name; keep one"):
        pictures_by_stem(tmp_path)


def grey_png(path: Path, rows: list[list[int]], depth: int) -> Path:
    """A grey PNG of 1, 2 or 4 bits, written by hand, for Pillow writes none (PNG specification, 7.2 and 11.2.2)."""
    packed = b""
    for row in rows:
        bits = "".join(f"{value:0{depth}b}" for value in row)
        packed += b"\0" + int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), depth, 0, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_ids_of_few_bits_are_not_stretched(tmp_path: Path, depth: int) -> None:
    """Pillow stretches 4-bit grey to 0, 17, ..., 255: right for a picture, wrong for ids."""
    rows = [[value % 2**depth for value in range(start, start + 5)] for start in (0, 7)]
    path = grey_png(tmp_path / "a.png", rows, depth)
    assert read_ids(path).tolist() == rows
    assert torch.allclose(read_image(path)[0], torch.tensor(rows) / (2**depth - 1))
