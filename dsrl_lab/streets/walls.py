"""What else counts as building: low garden walls, and the houses at the far end of the world."""

from __future__ import annotations

from dataclasses import dataclass

from dsrl_lab.streets.dice import Colour, blend
from dsrl_lab.streets.ground import Street
from dsrl_lab.streets.mesh import BRICK, BUILDING, Mesh

COPING: Colour = (0.68, 0.66, 0.62)


@dataclass(frozen=True)
class Skyline:
    """Distant houses that close the view."""

    # (left X, right X, distance, height, colour) of each house
    boxes: tuple[tuple[float, float, float, float, Colour], ...]


def draw_skyline(mesh: Mesh, skyline: Skyline) -> None:
    """Draw the boxes with their rows of windows, far to near."""
    mesh.begin(BUILDING)
    for x0, x1, z, height, colour in sorted(skyline.boxes, key=lambda box: -box[2]):
        mesh.face([(x0, 0, z), (x1, 0, z), (x1, height, z), (x0, height, z)], colour)
        dim = blend(colour, (0.2, 0.22, 0.26), 0.3)
        for k in range(int(height / 3.4)):
            y = 1.2 + k * 3.4
            mesh.face([(x0 + 1, y, z), (x1 - 1, y, z), (x1 - 1, y + 1.5, z), (x0 + 1, y + 1.5, z)], dim)


@dataclass(frozen=True)
class GardenWall:
    """A low wall along a front garden, from s = ``start`` to ``stop`` at distance t (signed) from the middle."""

    t: float
    start: float
    stop: float
    height: float
    colour: Colour


def draw_wall(mesh: Mesh, street: Street, wall: GardenWall) -> None:
    """Draw a low wall with a coping."""
    mesh.begin(BUILDING)
    start, high = max(0.6, wall.start), wall.height + 0.1
    end = wall.t + 0.24 * (1 if wall.t > 0 else -1)
    for h0, h1, colour in ((0.0, wall.height, wall.colour), (wall.height, high, COPING)):
        corners = ((start, h0), (wall.stop, h0), (wall.stop, h1), (start, h1))
        mesh.face([street.at(s, wall.t, h) for s, h in corners], colour, texture=BRICK)
    corners = ((wall.t, 0), (end, 0), (end, high), (wall.t, high))
    mesh.face([street.at(start, t, h) for t, h in corners], wall.colour, texture=BRICK)
