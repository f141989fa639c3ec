"""The street scenes: the rasteriser against brute force, scenes against each other, classes against colour alone."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from dsrl_lab.datasets.streets import Streets
from dsrl_lab.streets import Scene, render, sample_scene
from dsrl_lab.streets.dice import Dice
from dsrl_lab.streets.geometry import Camera, hull, ring
from dsrl_lab.streets.light import soften
from dsrl_lab.streets.mesh import (
    BICYCLIST,
    FENCE,
    NEAR,
    PAVEMENT,
    PEDESTRIAN,
    POLE,
    ROAD,
    SIGN,
    SKY,
    cut,
)
from dsrl_lab.streets.people import (
    HEAD,
    L_ANKLE,
    L_KNEE,
    NECK,
    R_ANKLE,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    Person,
    sample_person,
)
from dsrl_lab.streets.raster import rasterise
from dsrl_lab.streets.render import samples_per_pixel
from dsrl_lab.streets.vehicles import Car

SIZE = (90, 120)
KNOWN_COUNTS = (3736, 1247, 113, 4216, 113, 146, 108, 143, 886, 81, 11)
KNOWN_COLOUR = (127.39, 113.31, 111.94)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Scenes 0 to 29 of the default training stream."""
    return [sample_scene(0, 0, index) for index in range(30)]


@pytest.fixture(scope="module")
def pictures(scenes: list[Scene]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same scenes, drawn at 90 x 120."""
    return [render(scene, SIZE) for scene in scenes]


def shares(masks: list[np.ndarray]) -> np.ndarray:
    counts = np.bincount(np.concatenate([mask.ravel() for mask in masks]), minlength=11)
    return counts / counts.sum()


# The rasteriser ------------------------------------------------------------------------------------------------------


def covers(polygon: np.ndarray, x: float, y: float) -> bool:
    """Even-odd rule by hand: count the edges that a ray to the right passes."""
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) > x:
            inside = not inside
    return inside


@pytest.mark.parametrize("seed", range(4))
def test_rasteriser_agrees_with_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(3, 9, 25)
    points = random.uniform(-6, 26, (sizes.sum(), 2))
    got = rasterise(points, sizes, (17, 21))
    want = np.zeros((17, 21), int)
    for number, polygon in enumerate(np.split(points, np.cumsum(sizes)[:-1]), 1):
        for row in range(17):
            for column in range(21):
                if covers(polygon, column + 0.5, row + 0.5):
                    want[row, column] = number
    np.testing.assert_array_equal(got, want)


def test_neighbours_neither_overlap_nor_leave_gaps() -> None:
    a, b, c, d = (2.2, 1.1), (17.7, 3.3), (15.1, 12.9), (3.4, 14.2)
    halves = [rasterise(np.array(corners), np.array([3]), (16, 20)) for corners in ((a, b, c), (a, c, d))]
    whole = rasterise(np.array([a, b, c, d]), np.array([4]), (16, 20))
    np.testing.assert_array_equal(halves[0] + halves[1], whole)


def test_a_ring_has_a_hole() -> None:
    square = [(0.0, 0.0, 1.0), (8.0, 0.0, 1.0), (8.0, 8.0, 1.0), (0.0, 8.0, 1.0)]
    hole = [(x / 2 + 2, y / 2 + 2, z) for x, y, z in square]
    shape = np.array(ring(square, hole))[:, :2]
    assert rasterise(shape, np.array([len(shape)]), (8, 8)).sum() == 64 - 16


def test_a_thin_pole_keeps_its_width_on_average() -> None:
    """A pole 0.3 samples wide covers 0.3 of the samples, wherever it stands."""
    hit = 0
    for k in range(100):
        x = 3 + k / 100
        pole = np.array([(x, 0), (x + 0.3, 0), (x + 0.3, 10), (x, 10)])
        hit += int(rasterise(pole, np.array([4]), (10, 8)).sum())
    assert hit == pytest.approx(0.3 * 10 * 100, abs=10)


def test_what_lies_behind_the_camera_is_cut_off() -> None:
    quad = np.array([(-1.0, -1, 10), (1, -1, 10), (1, -1, -10), (-1, -1, -10)])
    behind = quad - np.array([0, 0, 30])
    points, sizes, kept = cut(np.concatenate([behind, quad, quad + np.array([0, 0, 30])]), np.array([4, 4, 4]))
    assert sizes.tolist() == [4, 4] and kept.tolist() == [1, 2]
    assert points[:4, 2].min() == pytest.approx(NEAR) and points[:4, 2].max() == 10


# Scenes and pictures --------------------------------------------------------------------------------------------------


def test_samples_do_not_depend_on_order_or_instance() -> None:
    forward, again = (Streets("train", size=(60, 80), length=4) for _ in range(2))
    first = [forward[index] for index in range(4)]
    for index in (2, 0, 3, 1):
        sample = again[index]
        assert sample.name == f"train/{index:06d}"
        torch.testing.assert_close(sample.image, first[index].image, rtol=0, atol=0)
        torch.testing.assert_close(sample.mask, first[index].mask, rtol=0, atol=0)


def test_sample_types() -> None:
    streets = Streets("val", size=(60, 100), length=2)
    sample = streets[-1]
    assert sample.image.dtype == torch.float32 and sample.image.shape == (3, 60, 100)
    assert sample.mask.dtype == torch.int64 and sample.mask.shape == (60, 100)
    assert sample.image.min() >= 0 and sample.image.max() <= 1
    assert sample.mask.max() < streets.class_table.num_classes
    assert len(Streets("test", size=(60, 80))) == 100 and sample.name == "val/000001"


def test_splits_and_seeds_are_different_streets() -> None:
    keys = {
        Streets(split, size=SIZE, length=20, seed=seed).scene(index).key
        for split in ("train", "val", "test")
        for seed in (0, 1)
        for index in range(20)
    }
    assert len(keys) == 3 * 2 * 20


def test_length_does_not_change_the_pictures() -> None:
    assert Streets("train", size=SIZE, length=3).scene(1) == Streets("train", size=SIZE, length=300).scene(1)


def test_known_scene_on_any_platform(pictures: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Made with NumPy 2.4 on x86-64; room only for the last bit of a platform's sine."""
    image, mask = pictures[0]
    np.testing.assert_allclose(np.bincount(mask.ravel(), minlength=11), KNOWN_COUNTS, atol=4)
    np.testing.assert_allclose(image.mean((0, 1)), KNOWN_COLOUR, atol=0.05)


def test_low_and_high_resolution_show_the_same_scene(
    scenes: list[Scene], pictures: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    for scene, (low, low_mask) in list(zip(scenes, pictures, strict=True))[:6]:
        high, high_mask = render(scene, (180, 240))
        reduced = high.reshape(90, 2, 120, 2, 3).mean((1, 3))
        assert np.abs(reduced - low).mean() < 4.0  # of 255, grain included
        votes = np.stack([(high_mask == k).reshape(90, 2, 120, 2).sum((1, 3)) for k in range(11)])
        clear = votes.max(0) >= 3
        assert (votes.argmax(0) == low_mask)[clear].mean() > 0.985


def test_a_wider_picture_shows_the_same_middle(scenes: list[Scene]) -> None:
    wide, narrow = render(scenes[1], (60, 120))[1], render(scenes[1], (60, 80))[1]
    np.testing.assert_array_equal(wide[:, 20:100], narrow)


def test_thin_classes_suffer_most_from_a_low_resolution(scenes: list[Scene]) -> None:
    pairs = [
        (render(scene, (180, 240))[1], render(scene, (45, 60))[1].repeat(4, 0).repeat(4, 1)) for scene in scenes[:8]
    ]

    def iou(label: int) -> float:
        both = sum(int(((a == label) & (b == label)).sum()) for a, b in pairs)
        return both / sum(int(((a == label) | (b == label)).sum()) for a, b in pairs)

    assert min(iou(ROAD), iou(SKY)) > 0.9
    assert max(iou(POLE), iou(FENCE), iou(SIGN)) < 0.75


def grown(field: np.ndarray) -> np.ndarray:
    """A pixel that is covered a little changes colour but not class: two pixels of room."""
    rows, columns = field.shape
    padded = np.pad(field, 2)
    return np.any([padded[i : i + rows, j : j + columns] for i in range(5) for j in range(5)], 0)


def test_mask_and_picture_agree(scenes: list[Scene]) -> None:
    """Take one person out: the picture changes where the mask does, and on the ground (seen through fences too)."""
    checked = 0
    for scene in scenes[:18]:
        scene = dataclasses.replace(scene, weather=dataclasses.replace(scene.weather, sun=0.0))
        near = [person for person in scene.people if person.place[2] < 14]
        if not near:
            continue
        without = dataclasses.replace(scene, things=tuple(thing for thing in scene.things if thing is not near[-1]))
        (image, mask), (other, other_mask) = render(scene, (120, 160)), render(without, (120, 160))
        changed = (image != other).any(-1)
        person = (mask != other_mask) & np.isin(mask, (PEDESTRIAN, BICYCLIST))
        around, ground = (grown(field) for field in (person, np.isin(other_mask, (ROAD, PAVEMENT, FENCE))))
        assert not ((mask != other_mask) & ~around).any()
        assert not (changed & ~around & ~ground).any()
        if person.sum() > 20:
            assert changed[person].mean() > 0.9
            checked += 1
    assert checked >= 3


def test_all_classes_occur_as_often_as_in_real_streets(pictures: list[tuple[np.ndarray, np.ndarray]]) -> None:
    share = shares([mask for _, mask in pictures])
    low = (0.10, 0.12, 0.006, 0.20, 0.03, 0.04, 0.003, 0.006, 0.02, 0.005, 0.002)
    high = (0.32, 0.35, 0.03, 0.40, 0.12, 0.20, 0.02, 0.06, 0.12, 0.03, 0.02)
    for name, value, least, most in zip(Streets("val", size=SIZE).class_table.names, share, low, high, strict=True):
        assert least < value < most, f"{name} fills {value:.4f} of the pictures, expected {least} to {most}"


def test_colour_alone_does_not_tell_the_classes(pictures: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """A histogram classifier with 24 steps per channel, fitted on train, stays below 0.45 pooled mIoU on val."""
    bins = 24

    def code(image: np.ndarray) -> np.ndarray:
        red, green, blue = (image.reshape(-1, 3).astype(int) * bins // 256).T
        return (red * bins + green) * bins + blue

    histogram = np.zeros((bins**3, 11))
    for image, mask in pictures:
        histogram += np.bincount(code(image) * 11 + mask.ravel(), minlength=histogram.size).reshape(histogram.shape)
    confusion = np.zeros((11, 11))
    for index in range(12):
        image, mask = render(sample_scene(0, 1, index), SIZE)
        guess = histogram.argmax(1)[code(image)]
        confusion += np.bincount(mask.ravel() * 11 + guess, minlength=121).reshape(11, 11)
    hits = np.diag(confusion)
    miou = float(np.mean(hits / (confusion.sum(0) + confusion.sum(1) - hits)))
    assert 0.12 < miou < 0.45


# People ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pose", ["walking", "standing", "waiting", "phone", "cycling"])
def test_skeletons_are_possible(pose) -> None:  # type: ignore[no-untyped-def]
    dice = Dice(5)
    for _ in range(8):
        person = sample_person(dice, (1.0, 0.13, 9.0), dice.uniform(0, 6.28), pose)
        joints = np.array(person.joints())
        length = np.linalg.norm(joints[R_KNEE] - joints[R_HIP]) / person.height
        assert length == pytest.approx(0.247, abs=0.01)
        assert np.linalg.norm(joints[L_ANKLE] - joints[L_KNEE]) / person.height == pytest.approx(0.247, abs=0.03)
        assert joints[HEAD][1] > joints[NECK][1] > joints[R_SHOULDER][1] > joints[R_HIP][1]
        assert joints[:, 1].min() > 0.13
        assert joints[(R_ANKLE, L_ANKLE), 1].min() < 0.13 + 0.4


def test_right_is_right() -> None:
    """Somebody who walks away has the right shoulder on the right, somebody who comes on the left."""
    for yaw, sign in ((0.0, 1), (math.pi, -1)):
        joints = sample_person(Dice(2), (0.0, 0.0, 9.0), yaw, "standing").joints()
        assert (joints[R_SHOULDER][0] > 0) == (sign > 0)


def test_visible_joints_lie_on_people(scenes: list[Scene]) -> None:
    size, total, near = (180, 240), 0, 0
    for scene in scenes[:12]:
        mask, joints = render(scene, size)[1], scene.joints(size)
        assert joints.shape == (len(scene.people), 14, 3)
        for person, places in zip(scene.people, joints, strict=True):
            label = BICYCLIST if person.pose == "cycling" else PEDESTRIAN
            if person.place[2] > 18:
                continue
            for x, y, _ in places[places[:, 2] > 0]:
                total += 1
                row, column = int(y), int(x)
                near += bool((mask[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] == label).any())
    assert total > 150
    assert near / total > 0.97


def test_joints_scale_with_the_picture(scenes: list[Scene]) -> None:
    low, high = scenes[0].joints((90, 120)), scenes[0].joints((180, 240))
    np.testing.assert_allclose(high[..., :2], 2 * low[..., :2])
    np.testing.assert_array_equal(high[..., 2], low[..., 2])


def test_a_car_hides_the_joints_behind_it(scenes: list[Scene]) -> None:
    person = sample_person(Dice(4), (0.0, 0.0, 12.0), 0.0, "standing")
    camera = Camera(x=0.0, height=1.5, yaw=0.0, focal=1.0, horizon=0.5)
    alone = dataclasses.replace(scenes[0], camera=camera, things=(person,))
    assert alone.joints(SIZE)[0, :, 2].all()
    car = Car((0.0, 0.0, 8.0), math.pi / 2, "van", (0.5, 0.5, 0.5), False)
    hidden = dataclasses.replace(alone, things=(person, car)).joints(SIZE)[0]
    assert hidden[R_KNEE, 2] == 0 and hidden[L_ANKLE, 2] == 0
    behind = dataclasses.replace(person, place=(0.0, 0.0, 6.0))
    assert dataclasses.replace(alone, things=(car, behind)).joints(SIZE)[0, :, 2].all()


def test_people_are_plain_data(scenes: list[Scene]) -> None:
    people = [person for scene in scenes for person in scene.people]
    assert all(isinstance(person, Person) for person in people)
    assert {"walking", "standing", "cycling"} <= {person.pose for person in people}


# Errors ---------------------------------------------------------------------------------------------------------------


def test_unknown_split_lists_the_splits() -> None:
    with pytest.raises(ValueError, match="unknown split 'valid' of streets; choose from train, val, test"):
        Streets("valid", size=SIZE)


@pytest.mark.parametrize("size", [(4, 60), (60, 4), (60,)])
def test_bad_size(size) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="expected size \\(H, W\\) with both at least 8"):
        Streets("train", size=size)


@pytest.mark.parametrize(("length", "seed"), [(-1, 0), (1, -1)])
def test_negative_length_or_seed(length: int, seed: int) -> None:
    with pytest.raises(ValueError, match="length and seed must not be negative"):
        Streets("train", size=SIZE, length=length, seed=seed)


def test_index_out_of_range_ends_loops() -> None:
    streets = Streets("train", size=(30, 40), length=2)
    with pytest.raises(IndexError, match="expected an index below 2, got 2"):
        streets[2]
    assert len(list(streets)) == 2


def test_the_hull_leaves_out_what_is_inside() -> None:
    assert hull([(0, 0), (2, 0), (1, 0.5), (2, 2), (0, 2)]) == [(0, 0), (2, 0), (2, 2), (0, 2)]


def test_blurring_is_by_a_triangle() -> None:
    assert soften(np.float32([[0, 0, 4, 0, 0]]), 1).tolist() == [[0.0, 1.0, 2.0, 1.0, 0.0]]


def test_small_pictures_have_more_samples_a_pixel() -> None:
    sizes = ((90, 120), (180, 240), (360, 480))
    assert [samples_per_pixel(size) for size in sizes] == [(6, 8), (3, 4), (2, 4)]
