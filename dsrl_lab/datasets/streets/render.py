"""From a scene to a picture and its mask, at any size.

The scene is rasterised once, into an image of face numbers with several samples per pixel. Everything else is looked
up: the class of a face gives the mask (the class that owns most samples of a pixel), its colour gives the picture (the
mean over the same samples). So mask and picture cannot disagree, and a smaller picture is the larger one reduced.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.datasets.streets.mesh import PAVEMENT, ROAD, SKY
from dsrl_lab.datasets.streets.raster import rasterise
from dsrl_lab.datasets.streets.scene import Scene
from dsrl_lab.datasets.streets.shading import Array, Noise, illuminate, newell, pattern, rays, sky, texture_table

NUM_CLASSES = 11


def samples_per_pixel(size: tuple[int, int]) -> tuple[int, int]:
    """Return the samples of a pixel, down and across.

    Small pictures get more, so that thin things keep their weight; as most of them stand upright, a pixel is sampled
    more finely across than down.
    """
    down = max(2, min(6, round(540 / size[0])))
    return down, max(4, round(4 * down / 3))


def render(scene: Scene, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a scene.

    Args:
        scene: what to draw.
        size: (H, W) in pixels.

    Returns:
        Picture (H, W, 3) and mask (H, W) of class ids.

    Example:
        >>> from dsrl_lab.datasets.streets.layout import sample_scene
        >>> image, mask = render(sample_scene(0, 0, 0), (45, 60))
        >>> image.shape, mask.shape, int(mask.max()) < 11
        ((45, 60, 3), (45, 60), True)
    """
    faces, camera, weather = scene.faces, scene.camera, scene.weather
    times = samples_per_pixel(size)
    fine = (size[0] * times[0], size[1] * times[1])
    top = rasterise(camera.project(faces.points, size) * (times[1], times[0]), faces.sizes, fine)

    shares = _class_shares(np.concatenate([[SKY], faces.label]).astype(np.uint8)[top], times)
    mask = shares.argmax(-1).astype(np.uint8)

    normal = newell(faces)
    table = np.zeros((len(faces.sizes) + 1, 4))
    table[1:] = illuminate(faces, normal, weather, camera)
    colours, reduced_loss = _reduce(table, top, times)

    noise = Noise(np.random.PCG64(np.random.SeedSequence(scene.key)))
    clear = shares[..., SKY : SKY + 1].astype(np.float32) / (times[0] * times[1])
    picture = colours
    above = 1 + max(np.flatnonzero(clear.any((1, 2))), default=-1)  # no sky below this row
    picture[:above] += clear[:above] * sky(weather, camera, size, above, noise)

    centre = top[times[0] // 2 :: times[0], times[1] // 2 :: times[1]]
    plane = np.zeros((len(faces.sizes) + 1, 4), np.float32)
    plane[1:, :3] = normal
    plane[1:, 3] = (normal * faces.points[faces.starts]).sum(1)
    kind = np.concatenate([[0], faces.texture])[centre]
    place, depth, facing = _places(scene, plane[centre], size)
    picture *= _texture(scene, kind, place, depth, facing, size, noise)[..., None]
    picture *= _shadow(scene, shares, reduced_loss, place, size, times)
    picture = _develop(scene, picture, size)
    return picture, mask


def _class_shares(labels: NDArray[np.uint8], times: tuple[int, int]) -> NDArray[np.int64]:
    """Count the samples of each class in each pixel: (H, W, 11)."""
    height, width = labels.shape[0] // times[0], labels.shape[1] // times[1]
    pixel = (np.arange(height)[:, None] * width + np.arange(width)[None, :]) * NUM_CLASSES
    pixel = pixel.repeat(times[1], 1)[:, None, :]
    counts = np.bincount((pixel + labels.reshape(height, times[0], -1)).ravel(), minlength=height * width * NUM_CLASSES)
    return counts.reshape(height, width, NUM_CLASSES)


def _reduce(table: NDArray[np.float64], top: NDArray[np.int32], times: tuple[int, int]) -> tuple[Array, Array]:
    """Return the mean colour (H, W, 3) and the mean loss in shadow (H, W) over the samples of each pixel."""
    down, across = times
    packed = np.clip(table * 255 + 0.5, 0, 255).astype(np.uint8).view(np.uint32).ravel()
    levels = packed[top].view(np.uint8).reshape(top.shape[0], top.shape[1], 4)
    rows = levels[0::down].astype(np.uint16)
    for i in range(1, down):
        rows += levels[i::down]
    both = rows[:, 0::across].astype(np.float32)
    for i in range(1, across):
        both += rows[:, i::across]
    mean = both / np.float32(255 * down * across)
    return mean[..., :3].copy(), mean[..., 3].copy()


def _places(scene: Scene, plane: Array, size: tuple[int, int]) -> tuple[tuple[Array, Array, Array], Array, Array]:
    """Return the world position (X, Y, Z) seen in each pixel, its depth, and the cosine at which it is seen."""
    right, up = rays(scene.camera, size)
    slant = plane[..., 0] * right + plane[..., 1] * up + plane[..., 2]
    depth = np.clip(plane[..., 3] / np.where(np.abs(slant) < 1e-6, 1e-6, slant), 0.4, 500).astype(np.float32)
    c, s = np.float32(np.cos(scene.camera.yaw)), np.float32(np.sin(scene.camera.yaw))
    x = depth * right
    world = (
        c * x + s * depth + np.float32(scene.camera.x),
        depth * up + np.float32(scene.camera.height),
        c * depth - s * x,
    )
    facing = np.maximum(np.abs(slant) / np.sqrt(right**2 + up**2 + 1), 0.02)
    return world, depth, facing


def _texture(
    scene: Scene,
    kind: NDArray[np.int64],
    place: tuple[Array, Array, Array],
    depth: Array,
    facing: Array,
    size: tuple[int, int],
    noise: Noise,
) -> Array:
    x, y, z = place
    flat = y < 0.3
    u = np.where(flat, x, z + x)
    v = np.where(flat, z, y)
    pixel = depth / np.float32(scene.camera.focal * size[0])
    along = np.where(flat, pixel, pixel / facing)
    across = np.where(flat, pixel / facing, pixel)
    table = texture_table()[kind]
    factor = np.ones(size, np.float32)
    some = np.flatnonzero(table[..., 0] > 0)
    if len(some):
        rows = table.reshape(-1, 6)[some].T
        chosen = (a.ravel()[some] for a in (u, v, along, across))
        a, b, fa, fb = chosen
        factor.ravel()[some] = pattern(a, b, (fa, fb), rows, noise)
    haze = np.exp(-depth / np.float32(scene.weather.visibility))
    return 1 + (factor - 1) * haze


def _shadow(
    scene: Scene,
    shares: NDArray[np.int64],
    loss: Array,
    place: tuple[Array, Array, Array],
    size: tuple[int, int],
    times: tuple[int, int],
) -> Array:
    """Return the factor (H, W, 3) that shadows leave of the light."""
    points, sizes, kinds = scene.shadows
    total = np.float32(times[0] * times[1])
    ground = (shares[..., ROAD] + shares[..., PAVEMENT]).astype(np.float32) / total
    sun = np.zeros(size, np.float32)
    touch = np.zeros(size, np.float32)
    if len(sizes):
        # Two samples per pixel are enough for something soft.
        fine = (size[0] * 2, size[1] * 2)
        number = rasterise(scene.camera.project(points, fine), sizes, fine)
        kind = np.concatenate([[0], kinds])[number]
        for field, which in ((sun, 1), (touch, 2)):
            hit = (kind == which).astype(np.float32)
            field += (hit[0::2, 0::2] + hit[1::2, 0::2] + hit[0::2, 1::2] + hit[1::2, 1::2]) / 4
        radius = max(1, round(size[0] / 240))
        sun, touch = _soften(sun, radius), _soften(touch, radius * 2)
    sun = np.where(touch > sun, touch, sun) if scene.weather.shadow_shift is not None else sun
    cast = np.maximum(sun * ground, _houses(scene, place))
    cool = np.array([1.0, 0.97, 0.90], np.float32)
    factor = 1 - cast[..., None] * loss[..., None] * cool
    result: Array = factor * (1 - 0.55 * (touch * ground)[..., None])
    return result


def _houses(scene: Scene, place: tuple[Array, Array, Array]) -> Array:
    """Return how much of the sun the row of houses on the sunny side takes from each pixel."""
    if scene.weather.shadow_shift is None:
        return np.zeros(place[0].shape, np.float32)
    lx, ly, lz = (np.float32(a) for a in scene.weather.direction)
    side = 1 if lx > 0 else -1
    x, y, z = place
    t = x - np.float32(0.5 * scene.street.bend) * z * z
    gap = (np.float32(scene.street.front(side)) - side * t) / np.abs(lx)
    index = ((z + gap * lz + 100) * 2).astype(np.int32)
    heights = scene.skylines[(side + 1) // 2].astype(np.float32)
    shade = heights[np.clip(index, 0, len(heights) - 1)]
    soft = 0.25 + 0.03 * np.maximum(gap, 0)
    depth = np.clip((shade - (y + gap * ly)) / soft + 0.5, 0, 1)
    result: Array = np.where((gap > 0.05) & (shade > 0), depth, 0).astype(np.float32)
    return result


def _soften(field: Array, radius: int) -> Array:
    """Blur with two passes of a triangle of the given radius."""
    for axis in (0, 1):
        padded = np.pad(field, [(radius, radius) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
        length = field.shape[axis]
        weights = [1 + radius - abs(k - radius) for k in range(2 * radius + 1)]
        pieces = [padded[k : k + length] if axis == 0 else padded[:, k : k + length] for k in range(2 * radius + 1)]
        field = sum(w * p for w, p in zip(weights, pieces, strict=True)) / np.float32(sum(weights))  # type: ignore[assignment]
    return field


def _develop(scene: Scene, picture: Array, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Add vignette and grain, and round to 8 bits."""
    right, up = rays(scene.camera, size)
    vignette = 1 - 0.10 * np.minimum(1.5, right**2 + up**2)
    bits = np.random.PCG64(np.random.SeedSequence((scene.key, *size)))
    count = size[0] * size[1] * 3
    raw = bits.random_raw((count + 7) // 8).view(np.uint8)[:count].reshape(*size, 3)
    grain = (raw.astype(np.float32) - 127.5) * np.float32(0.020 / 127.5)
    return np.clip((picture * vignette[..., None] + grain) * 255 + 0.5, 0, 255).astype(np.uint8)
