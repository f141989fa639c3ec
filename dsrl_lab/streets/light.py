"""Light: faces in sun and haze, worked out once per face; shadows on the ground and of the houses; the sky."""

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.dice import Colour
from dsrl_lab.streets.geometry import Camera
from dsrl_lab.streets.mesh import BY_NORMAL, Faces
from dsrl_lab.streets.raster import rasterise
from dsrl_lab.streets.scene import Scene
from dsrl_lab.streets.texture import Array, Noise
from dsrl_lab.streets.weather import Weather

GAMMA = 2.2
COOL = (1.0, 0.97, 0.90)  # how much of red, green and blue the sun takes with it


def linear(colour: NDArray[np.float64] | Colour) -> NDArray[np.float64]:
    """Return linear light of an sRGB colour (a plain power of 2.2)."""
    return np.asarray(colour, np.float64) ** GAMMA


def encode(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sRGB colour of linear light; bright light rolls off instead of clipping."""
    light = np.maximum(light, 0.0)
    bent = np.where(light > 0.6, 0.6 + 0.4 * (1 - np.exp(-(light - 0.6) / 0.4)), light)
    return bent ** (1 / GAMMA)


def newell(faces: Faces) -> NDArray[np.float64]:
    """Return the normals (F, 3) of faces in camera coordinates, towards the camera (Newell's method)."""
    points, starts = faces.points, faces.starts
    following = np.arange(1, len(points) + 1)
    following[starts + faces.sizes - 1] = starts
    a, b = points, points[following]
    areas = np.stack([(a[:, i] - b[:, i]) * (a[:, j] + b[:, j]) for i, j in ((1, 2), (2, 0), (0, 1))], 1)
    normal = np.add.reduceat(areas, starts)
    normal /= np.maximum(np.sqrt((normal**2).sum(1, keepdims=True)), 1e-12)
    away = (normal * points[starts]).sum(1, keepdims=True) > 0
    return np.where(away, -normal, normal)


def illuminate(faces: Faces, normal: NDArray[np.float64], weather: Weather, camera: Camera) -> NDArray[np.float64]:
    """Return (F, 4): the sRGB colour of each face in sun and haze, and how much of it goes in a shadow."""
    share, openness, glow = faces.light.T
    facing = np.maximum(normal @ np.array(camera.turn(weather.direction)), 0.0)
    sun = np.where(share == BY_NORMAL, facing, share)
    above = 0.72 + 0.28 * normal[:, 1]  # the sky lights from above, walls get some of it from the ground
    reach = openness * np.where(share == BY_NORMAL, above, 0.9)
    ambient = weather.sky_light * linear(weather.ambient) * reach[:, None]
    direct = weather.sun * linear(weather.sunlight) * sun[:, None]
    albedo = linear(faces.colour)
    shine = glow[:, None] * albedo * 1.1
    depth = np.add.reduceat(faces.points[:, 2], faces.starts) / faces.sizes
    haze = (1 - np.exp(-depth / weather.visibility))[:, None]
    air = linear(weather.horizon)
    lit = encode((albedo * (ambient + direct) * (1 - glow[:, None]) + shine) * (1 - haze) + air * haze)
    dark = encode((albedo * ambient * (1 - glow[:, None]) + shine) * (1 - haze) + air * haze)
    loss = 1 - dark.mean(1) / np.maximum(lit.mean(1), 1e-6)
    return np.concatenate([lit, loss[:, None]], 1)


def soften(field: Array, radius: int) -> Array:
    """Blur a picture (H, W) with a triangle of the given radius, along rows and columns."""
    for axis in (0, 1):
        length = field.shape[axis]
        edges = [(radius, radius) if k == axis else (0, 0) for k in (0, 1)]
        padded = np.pad(field, edges, mode="edge").swapaxes(0, axis)
        total = np.zeros_like(padded[:length])
        for k in range(2 * radius + 1):
            total += np.float32(1 + radius - abs(k - radius)) * padded[k : k + length]
        field = (total / np.float32((radius + 1) ** 2)).swapaxes(0, axis)
    return field


def on_the_ground(scene: Scene, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return how much of each pixel (H, W) of the ground lies in a shadow, and how much right under a thing."""
    points, sizes, kinds = scene.shadows
    fine = (size[0] * 2, size[1] * 2)
    number = rasterise(scene.camera.project(points, fine), sizes, fine)
    kind = np.concatenate([[0], kinds])[number].reshape(size[0], 2, size[1], 2)
    sun, touch = ((kind == which).mean((1, 3), dtype=np.float32) for which in (1, 2))
    radius = max(1, round(size[0] / 240))
    sun, touch = soften(sun, radius), soften(touch, 2 * radius)
    return np.maximum(sun, touch) if scene.weather.shadow_shift is not None else sun, touch


def of_houses(scene: Scene, place: tuple[Array, Array, Array]) -> Array:
    """Return how much of the sun the houses on the sunny side take from each place.

    A place is in the shadow if its ray to the sun is lower than the roofs where it passes the building line.
    """
    if scene.weather.shadow_shift is None:
        return np.zeros(place[0].shape, np.float32)
    right, up, ahead = (np.float32(a) for a in scene.weather.direction)
    side = 1 if right > 0 else -1
    x, y, z = place
    t = x - np.float32(0.5 * scene.street.bend) * z * z
    way = (np.float32(scene.street.front(side)) - side * t) / np.abs(right)
    roofs = scene.roofs[int(side > 0)].astype(np.float32)
    roof = roofs[np.clip(((z + way * ahead + 100) * 2).astype(np.int32), 0, len(roofs) - 1)]
    penumbra = 0.25 + 0.03 * np.maximum(way, 0)
    depth = np.clip((roof - (y + way * up)) / penumbra + 0.5, 0, 1)
    return np.where((way > 0.05) & (roof > 0), depth, 0).astype(np.float32)


def shadows(scene: Scene, ground: Array, loss: Array, place: tuple[Array, Array, Array]) -> Array:
    """Return the factor (H, W, 3) that the shadows leave of the light."""
    size = ground.shape[0], ground.shape[1]
    sun, touch = on_the_ground(scene, size)
    cast = np.maximum(sun * ground, of_houses(scene, place)) * loss
    factor = 1 - cast[..., None] * np.array(COOL, np.float32)
    return factor * (1 - np.float32(0.55) * (touch * ground)[..., None])


def sky(weather: Weather, camera: Camera, size: tuple[int, int], rows: int, noise: Noise) -> Array:
    """Return the upper ``rows`` of the sky, (rows, W, 3) in [0, 1]; its clouds shrink towards the horizon."""
    right, up = camera.rays(size)
    up = up[:rows]
    height = np.maximum(up, 0.0)
    share = (1 - np.exp(-height * 3.2))[..., None]
    colour = np.asarray(weather.horizon, np.float32) * (1 - share) + np.asarray(weather.zenith, np.float32) * share
    sun = camera.turn(weather.direction)
    length = np.sqrt(right**2 + up**2 + 1)
    towards = np.maximum((right * sun[0] + up * sun[1] + sun[2]) / length, 0.0)
    glow = (towards**6 * 0.5 * min(1.0, weather.sun)).astype(np.float32)[..., None]
    colour = colour + (np.asarray(weather.sunlight, np.float32) - colour) * glow * 0.7
    far = 1.0 / (height + 0.10)
    u, v = right * far * 1.1 + 40, far * 1.6 + np.zeros_like(right)
    wave = noise(u, v) * 0.55 + noise(u * 2.1 + 9, v * 2.3) * 0.28 + noise(u * 4.3, v * 4.9 + 5) * 0.14
    fine = noise(u * 9.1 + 3, v * 10.3) * 0.07
    thick = np.clip((wave + fine + (weather.cover - 0.5) * 1.5 + 0.02) * 2.2, 0, 1)
    thick = thick * thick * (3 - 2 * thick)
    under = np.clip(0.5 + 0.9 * noise(u + 0.12, v + 0.22) + 0.8 * fine, 0, 1)[..., None]
    shade = np.asarray(weather.cloud_shade, np.float32)
    cloud = shade + (np.asarray(weather.cloud, np.float32) - shade) * (1 - 0.75 * under)
    fade = (thick * np.clip(height * 9 + 0.15, 0, 1))[..., None] * 0.92
    result: Array = colour * (1 - fade) + cloud * fade
    return result
