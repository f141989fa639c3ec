"""Exercises of notebook 09: what marked joints do to the loss, and what PCK divides by.

Sources: HRNet's release (target weights of joints); Yang and Ramanan, TPAMI 2013, and Sapp and Taskar, CVPR 2013, for
PCK with the torso as the yardstick.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer

# 09.3


def joint_loss(heatmaps: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """Squared error of the heat-maps of marked joints, the mean over their pixels and over the marked joints.

    Nobody knows where a joint is that is not marked: it costs nothing, whatever the
    network says there.

    Shape:
        - heatmaps, target: (N, J, h, w)
        - visible: (N, J), 1 for marked, else 0; at least one joint is marked
        - output: ()

    Example:
        >>> heatmaps, target = torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
        >>> joint_loss(heatmaps, target, torch.tensor([[1.0, 0.0]]))
        tensor(1.)
    """
    error = (heatmaps - target).square().mean(dim=(2, 3))
    return (error * visible).sum() / visible.sum()


def _joint_by_joint(heatmaps: Tensor, target: Tensor, visible: Tensor) -> float:
    errors = []
    for person in range(len(heatmaps)):
        for joint in range(heatmaps.shape[1]):
            if visible[person, joint]:
                difference = (heatmaps[person, joint] - target[person, joint]).double().flatten().tolist()
                errors.append(sum(value * value for value in difference) / len(difference))
    return sum(errors) / len(errors)


def _draw_maps(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for people, joints in ((1, 5), (3, 4)):
        maps = torch.rand(2, people, joints, 4, 6, generator=generator)
        visible = (torch.rand(people, joints, generator=generator) > 0.4).float()
        visible[0, :2] = torch.tensor([1.0, 0.0])  # never all, never none
        cases.append((maps[0], maps[1] * visible[:, :, None, None], visible))
    return cases


LOSS = Exercise(
    name="09.3",
    title="What is not marked costs nothing and counts nothing",
    difficulty=1,
    importance=3,
    minutes=6,
    solution=joint_loss,
    oracle=_joint_by_joint,
    draw=_draw_maps,
    wrong_answers=(
        WrongAnswer(
            "visibility ignored",
            lambda heatmaps, target, visible: (heatmaps - target).square().mean(),
            "You ask for a blank map wherever a joint is not marked, so the net learns that ankles behind a car, "
            "and wrists that an annotator skipped, are to be denied. Multiply each joint's error by visible.",
        ),
        WrongAnswer(
            "hidden joints still in the mean",
            lambda heatmaps, target, visible: ((heatmaps - target).square().mean(dim=(2, 3)) * visible).mean(),
            "Hidden joints cost nothing, but you still divide by all joints: a person with half of them marked "
            "teaches half as much, and the weights of SISR and FA drift with the annotation. (HRNet's release does.)",
        ),
        WrongAnswer(
            "only the target is masked",
            lambda heatmaps, target, visible: (
                ((heatmaps - target * visible[:, :, None, None]).square().mean(dim=(2, 3))).sum() / visible.sum()
            ),
            "Masking the target makes it blank; the prediction is still compared with it, and now all joints' errors "
            "are divided by the number of marked ones. Mask the error.",
        ),
        WrongAnswer(
            "summed over the pixels",
            lambda heatmaps, target, visible: (
                ((heatmaps - target).square().sum(dim=(2, 3)) * visible).sum() / visible.sum()
            ),
            "Your loss grows with the heat-map: four times as large at twice the size, so that SSSR alone would turn "
            "the learning rate up. Take the mean over the pixels (the kit divides by the target's own squared sum).",
        ),
    ),
    hints=(
        Hint("Too small by a factor that changes", "By how many joints do you divide: all, or the marked ones?"),
        Hint("Too large", "Does a joint that nobody marked still add an error?"),
    ),
)


# 09.4


def pck(pred: Tensor, target: Tensor, visible: Tensor, alpha: float) -> Tensor:
    """Percentage of correct keypoints: marked joints found within alpha times their own person's torso.

    The torso is the true distance from joint 9 (left shoulder) to joint 2 (right hip);
    both are always marked here. For each joint the share of people for whom it is
    found, then the mean over the joints.

    Shape:
        - pred, target: (N, 14, 2), (x, y) in pixels
        - visible: (N, 14), 1 for marked, else 0; every joint is marked for somebody
        - output: (), a fraction

    Example:
        >>> target = torch.zeros(1, 14, 2)
        >>> target[0, 9] = torch.tensor([0.0, -50.0])  # a torso of 50 pixels: 10 pixels at alpha = 0.2
        >>> pck(target + torch.tensor([9.0, 0.0]), target, torch.ones(1, 14), 0.2)
        tensor(1.)
    """
    torso = (target[:, 9] - target[:, 2]).norm(dim=-1)
    found = ((pred - target).norm(dim=-1) <= alpha * torso[:, None]).float()
    return ((found * visible).sum(0) / visible.sum(0)).mean()


def _pck_with_lists(pred: Tensor, target: Tensor, visible: Tensor, alpha: float) -> float:
    shares = []
    for joint in range(14):
        hits = []
        for person in range(len(pred)):
            torso = float((target[person, 9] - target[person, 2]).norm())
            if visible[person, joint]:
                hits.append(float((pred[person, joint] - target[person, joint]).norm()) <= alpha * torso)
        shares.append(sum(hits) / len(hits))
    return sum(shares) / 14


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
    return cases


def _shares(distance: Tensor, yardstick: Tensor, visible: Tensor, alpha: float) -> Tensor:
    found = (distance <= alpha * yardstick).float()
    return ((found * visible).sum(0) / visible.sum(0)).mean()


def _distance(pred: Tensor, target: Tensor) -> Tensor:
    return (pred - target).norm(dim=-1)


def _torso(joints: Tensor) -> Tensor:
    return (joints[:, 9] - joints[:, 2]).norm(dim=-1)[:, None]


SCORE = Exercise(
    name="09.4",
    title="The yardstick is the true torso of the same person",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=pck,
    oracle=_pck_with_lists,
    draw=_draw_people,
    wrong_answers=(
        WrongAnswer(
            "PCK normalised by the person's box",
            lambda pred, target, visible, alpha: _shares(
                _distance(pred, target), (target.amax(1) - target.amin(1)).amax(-1, keepdim=True), visible, alpha
            ),
            "Your yardstick is the longer side of the box, some three torsos: PCK looks splendid, and nobody can "
            "compare it. Some papers do use the box or the head, and 0.2 of one is not 0.2 of another.",
        ),
        WrongAnswer(
            "one torso for all",
            lambda pred, target, visible, alpha: _shares(
                _distance(pred, target), _torso(target).mean().expand(len(pred), 1), visible, alpha
            ),
            "You measured everybody by the mean torso: far people pass with joints all over their body, near people "
            "fail by a finger. Each person has a yardstick of their own.",
        ),
        WrongAnswer(
            "the torso that was found",
            lambda pred, target, visible, alpha: _shares(_distance(pred, target), _torso(pred), visible, alpha),
            "You measured by the predicted torso: a net that loses a shoulder stretches its own yardstick and is "
            "praised for it. The truth is the measure.",
        ),
        WrongAnswer(
            "hidden joints count as missed",
            lambda pred, target, visible, alpha: (
                (_distance(pred, target) <= alpha * _torso(target)).float() * visible
            ).mean(),
            "You divide by all people, so a joint that nobody marked can only be missed: PCK then falls with what the "
            "annotator saw and not with what the net does. Divide by the marked ones.",
        ),
        WrongAnswer(
            "visibility ignored",
            lambda pred, target, visible, alpha: (_distance(pred, target) <= alpha * _torso(target)).float().mean(),
            "You score joints whose place nobody knows. Leave out what is not marked, above the line and below it.",
        ),
        WrongAnswer(
            "pooled over all joints",
            lambda pred, target, visible, alpha: (
                ((_distance(pred, target) <= alpha * _torso(target)).float() * visible).sum() / visible.sum()
            ),
            "You pooled all joints: those that are marked often (shoulders, hips: the easy ones) weigh more. Take the "
            "share of each joint first, then the mean of the shares.",
        ),
    ),
    hints=(
        Hint("Nearly right", "Joint by joint first, then the mean? Whose torso? Only marked joints?"),
        Hint("Far too good", "How long is your yardstick, in torsos?"),
        Hint("Shapes do not fit", "(N,) against (N, 14): torso[:, None]."),
    ),
)


EXERCISES = (LOSS, SCORE)
