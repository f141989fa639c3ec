"""Notebook 09: the half pixel of Huang et al. (CVPR 2020), HRNet's weights of joints, PCK by the torso (2013)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dsrl_lab.course.exercises.calls import call_for_loss
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise


def to_heatmap(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    ratio = torch.tensor([size[1] / image_size[1], size[0] / image_size[0]])
    return (joints + 0.5) * ratio - 0.5


def _by_shares(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> list[list[float]]:
    """Each coordinate by itself, as a share of the way from the first pixel's edge to the last one's."""
    (height, width), (h, w) = image_size, size
    return [[(x + 0.5) / width * w - 0.5, (y + 0.5) / height * h - 0.5] for x, y in joints.tolist()]


def _draw_joints(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for down, across in ((2, 4), (4, 4), (8, 5)):
        size = (draw_integer(generator, 4, 9), draw_integer(generator, 10, 16))
        image_size = (size[0] * down, size[1] * across)
        joints = torch.rand(5, 2, generator=generator) * torch.tensor([image_size[1], image_size[0]])
        cases.append((joints, image_size, size))
    return cases


def _ratio(image_size: Sequence[int], size: Sequence[int]) -> Tensor:
    return torch.tensor([size[1] / image_size[1], size[0] / image_size[0]])


PLACE = exercise(
    "09.1",
    difficulty=2,
    solution=to_heatmap,
    oracle=_by_shares,
    draw=_draw_joints,
    wrong_answers={
        "target not scaled with the heat-map": lambda joints, image_size, size: joints,
        "divided by the stride": lambda joints, image_size, size: joints * _ratio(image_size, size),
        "corner to corner": lambda joints, image_size, size: (
            joints * _ratio([n - 1 for n in image_size], [n - 1 for n in size])
        ),
        "the ratios of width and height swapped": lambda joints, image_size, size: (
            (joints + 0.5) * _ratio(image_size, size).flip(0) - 0.5
        ),
        "height where width belongs": lambda joints, image_size, size: (
            (joints + 0.5) * _ratio(image_size, size[::-1]) - 0.5
        ),
    },
)


def joint_loss(heatmaps: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    error = (heatmaps - target).square().mean(dim=(2, 3))
    return (error * visible).sum() / visible.sum()


def _joint_by_joint(heatmaps: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    marked = visible.nonzero().tolist()
    errors = [((heatmaps[n, j] - target[n, j]) ** 2).sum() / target[n, j].numel() for n, j in marked]
    return torch.stack(errors).sum() / len(errors)


def _draw_targets(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for people, joints in ((1, 5), (3, 4)):
        maps = torch.rand(2, people, joints, 4, 6, generator=generator)
        visible = (torch.rand(people, joints, generator=generator) > 0.4).float()
        visible[-1] = 1
        visible[0, :2] = torch.tensor([1.0, 0.0])  # never all, never none; people differ
        cases.append((maps[0], maps[1] * visible[:, :, None, None], visible))
    return cases


def _errors(heatmaps: Tensor, target: Tensor) -> Tensor:
    return (heatmaps - target).square().mean(dim=(2, 3))


LOSS = exercise(
    "09.2",
    difficulty=1,
    solution=joint_loss,
    oracle=_joint_by_joint,
    draw=_draw_targets,
    run=call_for_loss,
    wrong_answers={
        "visibility ignored": lambda heatmaps, target, visible: _errors(heatmaps, target).mean(),
        "hidden joints still in the mean": lambda heatmaps, target, visible: (
            _errors(heatmaps, target) * visible
        ).mean(),
        "only the target is masked": lambda heatmaps, target, visible: (
            _errors(heatmaps, target).sum() / visible.sum()  # it is 0 there
        ),
        "summed over the pixels": lambda heatmaps, target, visible: (
            24 * (_errors(heatmaps, target) * visible).sum() / visible.sum()
        ),
    },
)


def pck(pred: Tensor, target: Tensor, visible: Tensor, alpha: float) -> Tensor:
    torso = (target[:, 9] - target[:, 2]).norm(dim=-1)
    found = ((pred - target).norm(dim=-1) <= alpha * torso[:, None]).float()
    return ((found * visible).sum(0) / visible.sum(0)).mean()


def _pck_with_lists(pred: Tensor, target: Tensor, visible: Tensor, alpha: float) -> float:
    away = (pred - target).norm(dim=-1).T.tolist()
    torsos, marked = _torso(target).flatten().tolist(), visible.T.tolist()
    hits = [
        [distance <= alpha * torso for distance, torso, seen in zip(joint, torsos, known, strict=True) if seen]
        for joint, known in zip(away, marked, strict=True)
    ]
    return sum(sum(joint) / len(joint) for joint in hits) / 14


def _draw_people(generator: torch.Generator) -> list[Case]:
    """Near, middle and far people, of whom some joints are found; hidden ones are often missed."""
    cases: list[Case] = []
    for alpha in (0.2, 0.1):
        height = torch.tensor([400.0, 200.0, 100.0, 60.0, 300.0, 50.0])
        target = torch.rand(6, 14, 2, generator=generator) * height[:, None, None]
        target[:, 9], target[:, 2] = target[:, 5] * 0.2, target[:, 5] * 0.2
        target[:, 9, 1] += 0.3 * height
        visible = (torch.rand(6, 14, generator=generator) > 0.35).float()
        visible[:, [2, 9]] = 1
        visible[0], visible[5, 3:7] = 1, 0
        angle = 6.2832 * torch.rand(6, 14, generator=generator)
        away = alpha * 0.3 * height[:, None] * (0.2 + 1.6 * torch.rand(6, 14, generator=generator)) * (2 - visible)
        pred = target + torch.stack([away * angle.cos(), away * angle.sin()], dim=-1)
        pred[:, 9, 1] += torch.tensor([0.5, -0.12, 0.4, -0.15, 0.3, -0.1]) * height  # shoulders that are lost
        cases.append((pred, target, visible, alpha))
    whole = torch.randint(100, (1, 14, 2), generator=generator).float()
    whole[0, 9] = whole[0, 2] + torch.tensor([0.0, 64.0])
    away = torch.tensor([[0.0, 32.0], [32.0, 0.0], [0.0, 33.0], [31.0, 0.0]]).repeat(4, 1)[:14]  # 32 is within 0.5
    return [*cases, (whole + away, whole, torch.ones(1, 14), 0.5)]


def _found(pred: Tensor, target: Tensor, reach: Tensor) -> Tensor:
    return ((pred - target).norm(dim=-1) <= reach).float()


def _torso(joints: Tensor) -> Tensor:
    return (joints[:, 9] - joints[:, 2]).norm(dim=-1)[:, None]


def _box(joints: Tensor) -> Tensor:
    return (joints.amax(1) - joints.amin(1)).amax(-1, keepdim=True)


def _shares(found: Tensor, visible: Tensor) -> Tensor:
    return ((found * visible).sum(0) / visible.sum(0)).mean()


SCORE = exercise(
    "09.3",
    difficulty=2,
    solution=pck,
    oracle=_pck_with_lists,
    draw=_draw_people,
    wrong_answers={
        "PCK normalised by the person's box": lambda pred, target, visible, alpha: _shares(
            _found(pred, target, alpha * _box(target)), visible
        ),
        "one torso for all": lambda pred, target, visible, alpha: _shares(
            _found(pred, target, alpha * _torso(target).mean()), visible
        ),
        "the torso that was found": lambda pred, target, visible, alpha: _shares(
            _found(pred, target, alpha * _torso(pred)), visible
        ),
        "hidden joints count as missed": lambda pred, target, visible, alpha: (
            _found(pred, target, alpha * _torso(target)) * visible
        ).mean(),
        "visibility ignored": lambda pred, target, visible, alpha: _found(pred, target, alpha * _torso(target)).mean(),
        "pooled over all joints": lambda pred, target, visible, alpha: _found(pred, target, alpha * _torso(target))[
            visible == 1
        ].mean(),
    },
)
EXERCISES = (PLACE, LOSS, SCORE)
