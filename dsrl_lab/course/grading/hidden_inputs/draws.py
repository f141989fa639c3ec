"""Inputs of other kinds for each exercise, as plain data; a draw gives its cases as a list or one by one."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.chapter_02 import espcn_case

Draw = Callable[[torch.Generator], Iterable[Case]]


def _draw_02_1_errors_of_one_colour(g: torch.Generator) -> Iterator[Case]:
    for colour, (height, width, border) in enumerate(((9, 31, 4), (25, 6, 1), (8, 8, 3))):
        high_res = torch.full((3, height, width), 0.2) + 0.7 * torch.rand(3, 1, 1, generator=g)
        super_res = high_res.clone()
        super_res[colour] += 0.3 * torch.randn(height, width, generator=g)
        super_res[:, -1] -= 0.5  # a border that is worse than the rest
        super_res[:, border, border] = 1.6
        yield super_res, high_res, border


def _draw_02_2_thin_pictures(g: torch.Generator) -> list[Case]:
    return [espcn_case(g, (1, 2, 3, draw_integer(g, 6, 9)), 4), espcn_case(g, (3, 1, 8, draw_integer(g, 2, 5)), 2)]


def _draw_02_3_threefold_pyramids(g: torch.Generator) -> Iterator[Case]:
    for levels, images, epsilon in ((3, 1, 2.0), (2, 4, 0.02)):
        sizes = [(images, 3, 2 * 3**level, 3**level) for level in range(levels)]
        scales = [3 * torch.randn(size, generator=g) for size in sizes]
        yield scales, [torch.rand(size, generator=g) for size in sizes], epsilon


def _draw_02_4_thin_maps(g: torch.Generator) -> Iterator[Case]:
    for images, channels, height, width in ((1, 5, 1, 7), (4, 2, 6, 2)):
        kernels = [0.3 * torch.rand(channels, channels, 6, 6, generator=g) - 0.1 for _ in range(3)]
        yield 5 + torch.rand(images, channels, height, width, generator=g), *kernels


def _draw_03_1_maps(g: torch.Generator) -> list[Case]:  # long and narrow
    return [(torch.randn(n, c * s * s, h, w, generator=g), s) for n, c, s, h, w in ((1, 5, 4, 1, 6), (3, 2, 3, 5, 2))]


def _draw_03_2_kernels(g: torch.Generator) -> list[Case]:
    return [(2, 5), (3, 7), (12, 5), (draw_integer(g, 13, 30), draw_integer(g, 5, 9))]


def _draw_03_3_weights(g: torch.Generator) -> list[Case]:
    shapes = ((1, 4, 3, 1), (5, 2, 2, 3), (2, 2, 4, 3))
    return [(torch.randn(c * s * s, c_in, k, k, generator=g), s) for c, c_in, s, k in shapes]


def _draw_03_4_filters(g: torch.Generator) -> list[Case]:
    return [(torch.randn(c, c_in, k, k, generator=g), s) for c, c_in, k, s in ((5, 1, 1, 4), (2, 7, 5, 3))]


def _draw_03_5_layers(g: torch.Generator) -> list[Case]:
    return [(draw_integer(g, 17, 40), draw_integer(g, 41, 60), 1, 5, 1, 3), (9, draw_integer(g, 10, 20), 12, 7, 7, 4)]


def _draw_04_1_tiny_and_narrow(g: torch.Generator) -> list[Case]:
    return [
        (3, draw_integer(g, 5, 8), [2, 4, 8]),  # smaller than the stride: one row is left
        (draw_integer(g, 300, 400), 1, [64]),
        (2 * draw_integer(g, 9, 14) + 1, 128, [32, 2]),
    ]


def _draw_04_2_dilations_beyond_the_map(g: torch.Generator) -> list[Case]:
    return [
        (draw_integer(g, 3, 6), draw_integer(g, 6, 9), draw_integer(g, 9, 20)),  # the middle tap alone
        (draw_integer(g, 25, 40), 7, 1),
        (draw_integer(g, 25, 40), 6, 8),
        (1, draw_integer(g, 11, 30), 3),
    ]


def _draw_04_3_bins_as_many_as_rows(g: torch.Generator) -> list[Case]:
    shapes = ((3, 1, 5, 9, 5), (1, 4, 7, 8, 4), (2, 2, 6, 10, 1))
    return [(torch.randn(n, c, h, w, generator=g) - 1, bins) for n, c, h, w, bins in shapes]


def _draw_04_4_falling_dilations(g: torch.Generator) -> list[Case]:
    d = draw_integer(g, 5, 12)
    return [([1],), ([9, 3, 1],), ([d, 1],), ([d, d, d, d, d],), ([1, 1, d, 1],)]


def _draw_04_5_reductions(g: torch.Generator) -> list[Case]:
    side = draw_integer(g, 5, 12)
    return [
        (0, 3 * side, side, False),
        (side - 2, 5 * side, side, True),
        (side - 2, 2 * side + 1, side, False),
        (side, 2 * side, 2 * side + 3, True),
        (side, 2 * side, 2 * side + 3, False),
    ]


def _draw_05_1_short_and_long_kernels(g: torch.Generator) -> list[Case]:
    return [
        (draw_integer(g, 61, 90), 1, 3, 0, 2),
        (1, draw_integer(g, 5, 9), 2, 1, 1),
        (draw_integer(g, 5, 60), 9, 5, 4, draw_integer(g, 1, 5)),
        (draw_integer(g, 5, 60), 5, 1, 0, 0),
    ]


def _draw_05_2_one_class_and_many(g: torch.Generator) -> list[Case]:
    return [(draw_integer(g, 21, 40), 1, 1, 2), (2, draw_integer(g, 2, 4), 6, 4), (5, 3, draw_integer(g, 11, 20), 3)]


def _draw_05_3_cheap_and_costly_heads(g: torch.Generator) -> list[Case]:
    side = draw_integer(g, 30, 90)
    return [(side, 1000, 0.6, 4.2), (713, side, 3e9, 1e8), (side, side, 2.5, 0.0)]


def _draw_05_4_single_pixels(g: torch.Generator) -> Iterator[Case]:
    for classes, images, height, width in ((11, 1, 4, 3), (2, 3, 6, 1)):
        maps = torch.full((images, classes, height, width), -1.0)
        maps[:, draw_integer(g, 0, classes), height // 2] = 4 + torch.rand((), generator=g)
        yield classes, maps


def _draw_05_5_other_factors(g: torch.Generator) -> list[Case]:
    shapes = ((1, 5, 3, 2, 6), (3, 2, 5, 1, 4), (1, 4, 8, 3, 1))
    return [
        (9 * torch.randn(n, k, h, w, generator=g), torch.randn(n, k * s * s, h, w, generator=g), s)
        for n, k, s, h, w in shapes
    ]


def _draw_05_6_uneven_sizes(g: torch.Generator) -> list[Case]:
    shapes = ((3, 4, 5, 6, 13, 17), (2, 2, 3, 9, 24, 11), (1, 19, 8, 7, 8, 30))
    return [(torch.randn(n, k, h, w, generator=g), tall, wide) for n, k, h, w, tall, wide in shapes]


def _draw_06_1_sizes(g: torch.Generator) -> list[Case]:
    side = draw_integer(g, 5, 40)
    return [(side, side + 1, 1), (32 * side, 32 * (side + 3), 32), (3 * side, 3 * (side + 2), 3)]


def _draw_06_2_features(g: torch.Generator) -> list[Case]:
    sparse = F.relu(torch.randn(2, 3, 4, 5, generator=g))
    sparse[:, :, :2, 1:3] = 0
    faint, strong = 0.05 * torch.randn(3, 6, 2, 5, generator=g), 200 * torch.randn(2, 4, 5, 3, generator=g)
    return [(sparse,), (faint,), (strong,), (torch.randn(4, 7, 1, 6, generator=g),)]


def _draw_06_3_pairs(g: torch.Generator) -> list[Case]:
    def matrix(n: int, positions: int) -> torch.Tensor:
        return affinity_matrix(torch.randn(n, 2, 1, positions, generator=g))

    return [(matrix(n, p), matrix(n, p), q) for n, p, q in ((4, 2, 1), (2, 9, 2), (5, 3, 2), (1, 7, 1))]


def _draw_06_4_strided(g: torch.Generator) -> list[Case]:
    shapes = ((3, 5, 3, 1, 4), (1, 2, 5, 4, 2))
    return [(torch.randn(n, c, h * s, w * s, generator=g) - 0.5, s) for n, c, s, h, w in shapes]


def _draw_06_5_long(g: torch.Generator) -> Iterator[Case]:
    for positions, rows in ((23, 5), (40, 7), (31, 2)):
        a, b = (F.normalize(torch.randn(c, positions, generator=g), dim=0) for c in (6, 2))
        yield a, b, rows


LOOK_ALIKE = (
    "task_model.host.sisr_like.weight",
    "task_model.host.transform.0.weight",
    "task_model.host.task_model.bias",
    "task_model.host.norm.running_mean",
    "task_model.host.norm.running_var",
    "task_model.host.norm.num_batches_tracked",
    "task_model.sssr_head.0.weight",
    "sisr_head.task_model.weight",
    "transform.host.weight",
)


def _draw_07_1_sparse_labels(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for pictures, height, width in ((5, 1, 9), (3, 7, 2)):
        losses = 4 * torch.rand(pictures, height, width, generator=g)
        mask = torch.randint(0, 19, (pictures, height, width), generator=g)
        mask[0].fill_(255)  # a picture without labels
        mask[1].view(-1)[1:] = 255  # a picture with one
        cases.append((losses, mask))
    full = torch.randint(0, 19, (2, 3, 3), generator=g)
    return [*cases, (1 + torch.rand(2, 3, 3, generator=g), full)]


def _draw_07_2_first_and_last_steps(g: torch.Generator) -> list[Case]:
    steps = draw_integer(g, 91, 300)
    return [(0, steps, 2.0, 3.0), (steps - 1, steps, 9.0, 0.3), (draw_integer(g, 1, 4), 5, 0.4, 1.0), (0, 1, 0.7, 0.9)]


def _draw_07_3_empty_and_crowded_groups(g: torch.Generator) -> list[Case]:
    sizes = {name: draw_integer(g, 2, 50) for name in ("a", "b", "c", "d", "e")}
    return [
        (sizes, [[], ["c", "a"], ["b"], ["e", "d"]]),  # as it should be
        (sizes, [["a", "b"], ["a", "c"], ["a"], ["a", "c"]]),
        (sizes, [[]]),
        ({"one": 1}, [["one"], ["one"]]),
    ]


def _draw_07_4_whole_and_finished_runs(g: torch.Generator) -> Iterator[Case]:
    for size, steps, iteration in ((2, 5, 0), (7, 16, 15), (4, 6, 6), (2, 30, 1)):
        weight, velocity = 3 * torch.randn(2, size, generator=g)
        yield weight, velocity, iteration, torch.randn(steps, size, generator=g) - 2, 0.05


def _draw_07_5_look_alike_names(g: torch.Generator) -> list[Case]:
    return [
        ({name: torch.rand(draw_integer(g, 2, 6), generator=g) for name in LOOK_ALIKE},),
        ({name: torch.rand(3, generator=g) for name in LOOK_ALIKE[-3:]},),
    ]


def _draw_08_1_only_predicted(g: torch.Generator) -> Iterator[Case]:
    for pictures, classes in ((1, 3), (6, 7)):
        confusions = torch.randint(1, 900, (pictures, classes, classes), generator=g)
        confusions[:, 1] = 0  # never there, but predicted: IoU 0, which counts
        if classes > 3:
            confusions[:, 2], confusions[:, :, 2] = 0, 0  # neither there nor predicted
            confusions[2:] //= 50
        yield (confusions,)


def _draw_08_2_losses_and_many_seeds(g: torch.Generator) -> Iterator[Case]:
    for count, t in ((2, 12.7062), (10, 2.2622), (7, 2.4469)):
        seeds = 0.5 + 0.2 * torch.rand(count, generator=g)
        yield seeds, seeds - 0.1 + 0.05 * torch.randn(count, generator=g), t


def _draw_08_4_strong_baselines(g: torch.Generator) -> Iterator[Case]:
    for variants, seeds in ((4, 6), (7, 5)):
        held_out = 30 + torch.rand(variants, seeds, generator=g)
        val = 20 + 6 * torch.rand(variants, seeds, generator=g)
        best, lucky = variants - 1, 1  # on average; in one seed
        held_out[best] += 3
        held_out[lucky, 2] += 8
        held_out[0] += 9  # the baseline
        val[0] += 4
        val[2] += 7
        yield held_out, val


def _draw_08_3_other_gaps(g: torch.Generator) -> Iterator[Case]:
    for size, gap in ((2, 0), (6, 4), (7, 0)):
        macs = 0.5 * 4.0 ** (torch.arange(size) + 0.4 * torch.rand(size, generator=g))
        scores = 60 - 3 * torch.arange(size).float().square() + torch.rand(size, generator=g)  # larger is not better
        share = 0.3 + 0.3 * float(torch.rand((), generator=g))
        yield macs, scores, float(macs[gap] ** (1 - share) * macs[gap + 1] ** share)


def _draw_08_5_other_scales(g: torch.Generator) -> list[Case]:
    size = float(draw_integer(g, 10, 30))
    cases = [
        (size + 1, 4 * size, size),  # more than the claim
        (size - 0.5, size - 0.4, size),  # just enough
        (-9 * size, 0.5 * size, size),
        (-0.1 / size, 9.0, 1 / size),  # wide, the claim far inside
        (0.1, 0.3, size),
        (0.3 * size, 1.5 * size, size),
        (-3 * size, size - 0.5, size),  # an end that just leaves the claim open
        (-1.0 - draw_integer(g, 1, 9), -0.25, 1 / size),
        (0.0, 1 / size, 1 / size),
        (0.25, 4.0, 0.25),
    ]
    return [cases[place] for place in torch.randperm(len(cases), generator=g).tolist()]


def _draw_09_1_uneven_strides(g: torch.Generator) -> list[Case]:  # some joints are just outside
    sizes = (((30, 48), (10, 12), 1), ((7, 9), (28, 18), 16), ((100, 37), (25, 37), 3))
    return [(torch.rand(joints, 2, generator=g) * (image[1] + 6) - 3, image, size) for image, size, joints in sizes]


def _draw_09_2_one_marked(g: torch.Generator) -> Iterator[Case]:
    for people, joints, marked in ((2, 3, 1), (5, 2, 7), (1, 6, 6)):
        maps = torch.randn(2, people, joints, 3, 5, generator=g)
        visible = torch.zeros(people * joints)
        visible[torch.randperm(people * joints, generator=g)[:marked]] = 1
        visible = visible.view(people, joints)
        maps[0] += 50 * (1 - visible[:, :, None, None])  # whatever the network says there
        yield maps[0], maps[1], visible


def _draw_09_3_lying_torsos(g: torch.Generator) -> Iterator[Case]:
    for people, alpha in ((9, 0.5), (1, 0.3), (12, 0.05)):
        torso = 20 + 280 * torch.rand(people, generator=g).square()
        target = 3 * torso[:, None, None] * torch.rand(people, 14, 2, generator=g)
        target[:, 9] = target[:, 2] + torch.stack([torso, torch.zeros(people)], dim=-1)
        visible = (torch.rand(people, 14, generator=g) > 0.5).float()
        visible[:, [2, 9]] = 1
        visible[0] = 1
        visible[1:, 11:] = 0  # joints that are marked for one person only
        reach = alpha * torso[:, None] * (0.3 + 1.2 * torch.rand(people, 14, generator=g)) * (2 - visible)
        angle = 6.2832 * torch.rand(people, 14, generator=g)
        pred = target + torch.stack([reach * angle.cos(), reach * angle.sin()], dim=-1)
        pred[:, 9, 0] += torso * torch.tensor([0.6, -0.7]).repeat(people)[:people]  # shoulders that are lost
        yield pred, target, visible, alpha


DRAWS: dict[str, Draw] = {f"{name[6:8]}.{name[9]}": draw for name, draw in globals().items() if name[:6] == "_draw_"}
"""By exercise, whose name stands in the function's."""
