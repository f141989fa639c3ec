"""From a scene to a picture and its mask, at any size.

The scene is rasterised once, into face numbers of several samples per pixel, from which picture (mean colour) and mask
(the class of most samples) are looked up: they cannot disagree, and a smaller picture is the larger one reduced.
"""

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.geometry import Camera
from dsrl_lab.streets.light import illuminate, newell, shadows, sky
from dsrl_lab.streets.mesh import PAVEMENT, ROAD, SKY
from dsrl_lab.streets.raster import rasterise
from dsrl_lab.streets.scene import Scene
from dsrl_lab.streets.texture import Array, Noise, pattern, texture_table

NUM_CLASSES = 11
GRAIN = 0.020
VIGNETTE = 0.10


def samples_per_pixel(size: tuple[int, int]) -> tuple[int, int]:
    """Return samples per pixel, down and across: more in small pictures, and more across, for thin upright things.

    Example:
        >>> samples_per_pixel((90, 120)), samples_per_pixel((180, 240)), samples_per_pixel((360, 480))
        ((6, 8), (3, 4), (2, 4))
    """
    down = max(2, min(6, round(540 / size[0])))
    return down, max(4, round(4 * down / 3))


def render(scene: Scene, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a scene at ``size`` = (H, W): picture (H, W, 3) and mask (H, W) of class ids.

    Example:
        >>> from dsrl_lab.streets.layout import sample_scene
        >>> [array.shape for array in render(sample_scene(0, 0, 0), (45, 60))]
        [(45, 60, 3), (45, 60)]
    """
    faces, camera = scene.faces, scene.camera
    down, across = samples_per_pixel(size)
    corners = camera.project(faces.points, size) * (across, down)
    top = rasterise(corners, faces.sizes, (size[0] * down, size[1] * across))

    counts = _class_counts(np.concatenate([[SKY], faces.label]).astype(np.uint8)[top], down, across)
    mask = counts.argmax(-1).astype(np.uint8)
    shares = counts.astype(np.float32) / np.float32(down * across)

    normal = newell(faces)
    table = np.zeros((len(faces.sizes) + 1, 4))  # row 0 is the sky, which is added below
    table[1:] = illuminate(faces, normal, scene.weather, camera)
    picture, loss = _reduce(table, top, down, across)
    noise = Noise(np.random.PCG64(np.random.SeedSequence(scene.key)))
    clear = shares[..., SKY, None]
    rows = int(np.flatnonzero(clear.any((1, 2))).max(initial=-1)) + 1
    picture[:rows] += clear[:rows] * sky(scene.weather, camera, size, rows, noise)

    # What follows varies slowly over a face: the face at the pixel's centre stands for all samples.
    centre = top[down // 2 :: down, across // 2 :: across]
    plane = np.zeros((len(faces.sizes) + 1, 4), np.float32)
    plane[1:, :3] = normal
    plane[1:, 3] = (normal * faces.points[faces.starts]).sum(1)
    place, depth, facing = _places(camera, plane[centre], size)
    kind = np.concatenate([[0], faces.texture])[centre]
    haze = np.exp(-depth / np.float32(scene.weather.visibility))
    picture *= 1 + (_texture(camera, kind, place, depth, facing, noise) - 1)[..., None] * haze[..., None]
    picture *= shadows(scene, shares[..., ROAD] + shares[..., PAVEMENT], loss, place)
    return _develop(scene, picture), mask


def _class_counts(labels: NDArray[np.uint8], down: int, across: int) -> NDArray[np.int64]:
    height, width = labels.shape[0] // down, labels.shape[1] // across
    pixel = (np.arange(height)[:, None] * width + np.arange(width)[None, :]) * NUM_CLASSES
    pixel = pixel.repeat(across, 1)[:, None, :]
    counts = np.bincount((pixel + labels.reshape(height, down, -1)).ravel(), minlength=height * width * NUM_CLASSES)
    return counts.reshape(height, width, NUM_CLASSES)


def _reduce(table: NDArray[np.float64], top: NDArray[np.int32], down: int, across: int) -> tuple[Array, Array]:
    """Return the mean colour (H, W, 3) and the mean loss in shadow (H, W) over the samples of each pixel."""
    packed = np.clip(table * 255 + 0.5, 0, 255).astype(np.uint8).view(np.uint32).ravel()
    levels = packed[top].view(np.uint8).reshape(*top.shape, 4)
    rows = levels[0::down].astype(np.uint16)
    for i in range(1, down):
        rows += levels[i::down]
    total = rows[:, 0::across].astype(np.float32)
    for i in range(1, across):
        total += rows[:, i::across]
    mean = total / np.float32(255 * down * across)
    return mean[..., :3].copy(), mean[..., 3].copy()


def _places(camera: Camera, plane: Array, size: tuple[int, int]) -> tuple[tuple[Array, Array, Array], Array, Array]:
    """Return the world position (X, Y, Z) seen in each pixel, its depth, and the cosine at which it is seen."""
    right, up = camera.rays(size)
    slant = plane[..., 0] * right + plane[..., 1] * up + plane[..., 2]
    depth = np.clip(plane[..., 3] / np.where(np.abs(slant) < 1e-6, np.float32(1e-6), slant), 0.4, 500)
    c, s = np.float32(np.cos(camera.yaw)), np.float32(np.sin(camera.yaw))
    x = depth * right
    world = c * x + s * depth + np.float32(camera.x), depth * up + np.float32(camera.height), c * depth - s * x
    facing = np.maximum(np.abs(slant) / np.sqrt(right**2 + up**2 + 1), 0.02)
    return world, depth, facing


def _texture(
    camera: Camera, kind: NDArray[np.int64], place: tuple[Array, ...], depth: Array, facing: Array, noise: Noise
) -> Array:
    """Return the factor (H, W) of the textures; only pixels that have one are worked out."""
    table = texture_table()[kind]
    factor = np.ones(kind.shape, np.float32)
    some = table[..., 0] > 0
    x, y, z, near, slant = (field[some] for field in (*place, depth, facing))
    flat = y < 0.3  # the ground runs along X and Z, walls along X or Z and Y
    pixel = near / np.float32(camera.focal * kind.shape[0])
    u, v = np.where(flat, x, z + x), np.where(flat, z, y)
    footprint = np.where(flat, pixel, pixel / slant), np.where(flat, pixel / slant, pixel)
    factor[some] = pattern(u, v, footprint, table[some].T, noise)
    return factor


def _develop(scene: Scene, picture: Array) -> NDArray[np.uint8]:
    size = picture.shape[0], picture.shape[1]
    right, up = scene.camera.rays(size)
    lens = 1 - VIGNETTE * np.minimum(1.5, right**2 + up**2)
    bits = np.random.PCG64(np.random.SeedSequence((scene.key, *size)))
    raw = bits.random_raw(picture.size // 8 + 1).astype("<u8").view(np.uint8)[: picture.size]
    grain = (raw.reshape(picture.shape).astype(np.float32) - 127.5) * np.float32(GRAIN / 127.5)
    return np.clip((picture * lens[..., None] + grain) * 255 + 0.5, 0, 255).astype(np.uint8)
