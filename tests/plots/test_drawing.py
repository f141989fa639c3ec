"""Axes in, Axes out; the numbers drawn are those given; nothing is written, and no setting stays changed."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.datasets.base import ClassTable
from dsrl_lab.datasets.joint_tables import LSP_JOINTS
from dsrl_lab.plots import theme as of_theme
from dsrl_lab.plots.affinity import affinity_picture, affinity_row, affinity_rows
from dsrl_lab.plots.masks import blend, compare_masks, mask_errors, show_image, show_mask, to_picture
from dsrl_lab.plots.people import draw_skeleton, pck_curve, show_heatmaps
from dsrl_lab.plots.super_resolution import Reconstruction, error_map, super_resolution_row
from dsrl_lab.rows import ROWS

TABLE = ClassTable(("road", "pole"), ((128, 64, 128), (192, 192, 128)), thin=("pole",))


@pytest.fixture
def ax() -> Axes:
    return of_theme.new_figure(3, 3).add_subplot()


def test_the_theme_leaves_no_setting_changed() -> None:
    before = dict(mpl.rcParams)
    with of_theme.theme(dark=True):
        assert mpl.rcParams["figure.facecolor"] != before["figure.facecolor"]
    assert dict(mpl.rcParams) == before


def test_every_row_of_the_ablation_has_a_style_of_its_own_without_colour() -> None:
    styles = [of_theme.style_of(row) for row in ROWS]
    assert len({style.color for style in styles}) == len({style.marker for style in styles}) == len(ROWS)
    assert len({(str(style.line), style.hatch) for style in styles}) == len(ROWS)


def test_faces_are_colours_mixed_with_white() -> None:
    assert of_theme.faded("#000000", 0.2) == "#cccccc"


def test_blend_mixes_and_lets_ignored_pixels_through() -> None:
    image = torch.full((3, 1, 2), 0.2)
    colors = TABLE.paint(torch.tensor([[1, 255]]))
    result = blend(image, colors, alpha=0.25)
    assert result.dtype == np.uint8
    assert result.tolist() == [[[86, 86, 70], [51, 51, 51]]]  # 0.75 * 51 + 0.25 * (192, 192, 128)
    assert blend(image, colors, alpha=0).tolist() == to_picture(image).tolist()


def test_blend_refuses_what_does_not_fit() -> None:
    colors = TABLE.paint(torch.zeros(2, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"expected colours \(H, W, 3\)"):
        blend(torch.zeros(3, 4, 4), colors)
    with pytest.raises(ValueError, match=r"alpha in \[0, 1\], got 2"):
        blend(torch.zeros(3, 2, 2), colors, alpha=2)
    with pytest.raises(ValueError, match="expected one RGB image"):
        to_picture(torch.zeros(1, 3, 2, 2))


def test_pictures_come_back_as_axes(ax: Axes) -> None:
    mask = torch.tensor([[0, 1], [255, 0]])
    assert show_image(torch.rand(3, 2, 2), ax=ax) is ax
    assert show_mask(mask, TABLE, ax=ax) is ax
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["road", "pole"]
    assert show_mask(mask, TABLE, image=torch.rand(3, 2, 2), ax=ax) is ax


def test_without_axes_the_current_ones_are_used() -> None:
    plt.close("all")
    assert show_image(torch.rand(3, 2, 2)) is plt.gca()
    plt.close("all")


def test_won_and_lost_pixels(ax: Axes) -> None:
    truth = torch.tensor([[0, 0, 1, 1, 255]])
    before, after = torch.tensor([[0, 1, 0, 0, 1]]), torch.tensor([[1, 0, 1, 0, 0]])
    changes = compare_masks(truth, before, after)
    assert changes.lost.tolist() == [[True, False, False, False, False]]
    assert changes.won.tolist() == [[False, True, True, False, False]]
    assert changes.wrong.tolist() == [[False, False, False, True, False]]
    assert changes.counted == 4
    mask_errors(truth, before, after, image=torch.rand(3, 1, 5), ax=ax)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["wrong in both 25.0 %", "won 50.0 %", "lost 25.0 %"]
    with pytest.raises(ValueError, match="three masks of one size"):
        compare_masks(truth, before, after[:, :2])


def test_a_row_of_the_affinity_matrix_is_that_row() -> None:
    features = torch.randn(5, 3, 4)
    matrix = affinity_matrix(features[None])[0]
    assert torch.allclose(affinity_row(features, (2, 1)).flatten(), matrix[2 * 4 + 1], atol=1e-6)
    with pytest.raises(ValueError, match=r"position \(y, x\) on the grid of 3x4, got \(3, 0\)"):
        affinity_row(features, (3, 0))


def test_affinity_rows_are_drawn_and_their_difference_is_one() -> None:
    axes = list(of_theme.new_figure(8, 2).subplots(1, 4))
    task, sisr = torch.rand(4, 3, 4), torch.rand(6, 3, 4)
    assert affinity_rows(torch.rand(3, 12, 16), (1, 2), task, sisr, axes=axes) == axes
    drawn = np.asarray(axes[3].images[0].get_array())
    assert np.allclose(drawn, (affinity_row(task, (1, 2)) - affinity_row(sisr, (1, 2))).numpy())
    with pytest.raises(ValueError, match="expected 4 axes"):
        affinity_rows(torch.rand(3, 12, 16), (1, 2), task, sisr, axes=axes[:2])
    with pytest.raises(ValueError, match="features on one grid"):
        affinity_rows(torch.rand(3, 12, 16), (1, 2), task, sisr[:, :2], axes=axes)
    assert affinity_picture(torch.rand(3, 4), (0, 0), ax=axes[0]) is axes[0]


def test_super_resolution_row_says_psnr_and_ssim() -> None:
    high = torch.rand(3, 16, 16)
    wrong = (high + 0.1).clamp(max=1.1)
    axes = list(of_theme.new_figure(8, 2).subplots(1, 3))
    super_resolution_row(torch.rand(3, 8, 8), high, [Reconstruction("ours", high * 0.5)], axes=axes)
    mse = float((0.5 * high).square().mean())
    assert f"{-10 * np.log10(mse):.2f} dB" in axes[1].get_title(loc=mpl.rcParams["axes.titlelocation"])
    with pytest.raises(ValueError, match="expected 3 axes"):
        super_resolution_row(torch.rand(3, 8, 8), high, [Reconstruction("ours", high)], axes=axes[:2])
    error_map(wrong.clamp(0, 1), high, ax=axes[0])
    with pytest.raises(ValueError, match="two pictures of one size"):
        error_map(wrong[:, :4], high, ax=axes[0])


def test_a_crop_is_shown_at_both_resolutions() -> None:
    axes = list(of_theme.new_figure(4, 2).subplots(1, 2))
    low = torch.rand(3, 8, 8)
    super_resolution_row(low, torch.rand(3, 16, 16), [], axes=axes, crop=(4, 8, 6, 4))
    assert np.asarray(axes[0].images[0].get_array()).tolist() == to_picture(low[:, 2:5, 4:6]).tolist()
    assert np.asarray(axes[1].images[0].get_array()).shape == (6, 4, 3)


def test_drawing_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ax: Axes) -> None:
    monkeypatch.chdir(tmp_path)
    show_mask(torch.zeros(2, 2, dtype=torch.long), TABLE, ax=ax)
    assert list(tmp_path.rglob("*")) == []


def test_a_skeleton_has_the_limbs_whose_ends_are_visible(ax: Axes) -> None:
    visible = torch.ones(14)
    visible[0] = 0  # the right ankle, of one limb
    limbs, joints = draw_skeleton(torch.rand(14, 2), LSP_JOINTS, visible=visible, ax=ax).lines
    assert len(limbs.get_xdata()) == 3 * (len(LSP_JOINTS.limbs) - 1)  # two ends, and the pen lifted
    assert len(joints.get_xdata()) == 13


def test_heatmaps_lie_over_the_whole_crop(ax: Axes) -> None:
    show_heatmaps(torch.rand(14, 6, 6), torch.rand(3, 24, 32), ax=ax)
    assert ax.images[1].get_size() == (6, 6) and list(ax.images[1].get_extent()) == [-0.5, 31.5, 23.5, -0.5]


def test_the_pck_of_the_truth_is_whole_at_every_tolerance(ax: Axes) -> None:
    joints, marked = torch.rand(2, 14, 2), torch.ones(2, 14)
    pck_curve(joints, joints, marked, torso=(9, 2), style=of_theme.style_of("dsrl"), label="truth", ax=ax)
    assert set(ax.lines[0].get_ydata()) == {100.0}


@pytest.mark.usefixtures("chinese")
@pytest.mark.filterwarnings("error")
def test_all_words_of_a_figure_are_translated_and_its_numbers_are_not(caplog: pytest.LogCaptureFixture) -> None:
    figure = of_theme.new_figure(6, 3)
    left, right = figure.subplots(1, 2)
    left.bar(["Truth", "original"], [1, 2], label="input")
    left.set(title="Opacity", ylabel="mIoU (%)")
    left.legend(title="class")
    left.annotate("Left", (0, 1))
    right.set_xticks([0, 1], ["Right", "Pin"])
    right.set_title("not labelled", loc="left")
    right.set_xlabel("difference, S$_{seg}$ − S$_{sr}$")
    figure.suptitle("true at 3.5 % of\nwhat")
    figure.draw_without_rendering()
    of_theme.translate_texts(figure)
    figure.draw_without_rendering()
    assert caplog.messages == []  # none about a glyph beside a formula, either
    texts = {text.get_text() for text in figure.findobj(mpl.text.Text)}
    assert {"真值", "原图", "输入", "不透明度", "类别", "左侧", "右侧", "固定", "未标注", "mIoU（%）", "1.0"} <= texts
    assert "true at 3.5 % of\nwhat" in texts and not {"Truth", "Right", "Pin", "class"} & texts
