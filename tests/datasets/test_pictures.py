from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets.pictures import check_same_size, list_pictures, open_picture, read_ids, read_image


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_rgb_comes_back_exactly(tmp_path: Path) -> None:
    pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3) * 10
    image = read_image(save(tmp_path / "a.png", pixels))
    assert image.shape == (3, 2, 4) and image.dtype == torch.float32 and image.is_contiguous()
    assert torch.equal((image * 255).round().byte().permute(1, 2, 0), torch.from_numpy(pixels))


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 4)])
def test_grey_and_alpha_become_rgb(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = read_image(save(tmp_path / "a.png", np.full(shape, 51, dtype=np.uint8)))
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
    with pytest.raises(ValueError, match=rf"cannot decode .*bad\{suffix} .*delete it and fetch it again"):
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
