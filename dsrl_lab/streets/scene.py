"""The description of a scene, free of any resolution, and its geometry."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.buildings import Box, Building, GardenWall, draw_building, draw_skyline, draw_wall
from dsrl_lab.streets.dice import blend
from dsrl_lab.streets.figures import draw_figure
from dsrl_lab.streets.furniture import Fence, Post, draw_fence, draw_post
from dsrl_lab.streets.geometry import Camera
from dsrl_lab.streets.ground import Street, draw_ground
from dsrl_lab.streets.mesh import NEAR, Faces, Mesh
from dsrl_lab.streets.people import Person
from dsrl_lab.streets.trees import Hedge, Tree, draw_hedge, draw_tree
from dsrl_lab.streets.vehicles import Car, draw_car
from dsrl_lab.streets.weather import Weather

Thing = Building | GardenWall | Tree | Hedge | Post | Fence | Car | Person


@dataclass(frozen=True)
class Scene:
    """Everything that is to be seen, in metres and radians; no pixel anywhere."""

    weather: Weather  # light and air
    camera: Camera  # who looks
    street: Street  # the plan of the road
    skyline: tuple[Box, ...]  # the far end of the world
    things: tuple[Thing, ...]  # all other objects, from far to near
    key: int  # for grain and clouds

    @property
    def people(self) -> tuple[Person, ...]:
        """Pedestrians and cyclists; their numbers are the ``owner`` of their faces."""
        return tuple(thing for thing in self.things if isinstance(thing, Person))

    @cached_property
    def _mesh(self) -> Mesh:
        mesh, weather = Mesh(self.weather.shadow_shift), self.weather
        glass = ((0.16, 0.19, 0.22), blend(weather.horizon, weather.zenith, 0.4))
        lit = 0.4 if weather.evening else 0.0
        draw_skyline(mesh, self.skyline)
        draw_ground(mesh, self.street)
        owner = 0
        for thing in self.things:
            match thing:
                case Building():
                    draw_building(mesh, self.street, thing, glass, lit)
                case GardenWall():
                    draw_wall(mesh, self.street, thing)
                case Tree():
                    draw_tree(mesh, thing, weather.direction)
                case Hedge():
                    draw_hedge(mesh, thing, weather.direction)
                case Post():
                    draw_post(mesh, thing, weather.evening)
                case Fence():
                    draw_fence(mesh, thing)
                case Car():
                    draw_car(mesh, thing, self.camera, glass)
                case Person():
                    draw_figure(mesh, thing, owner)
                    owner += 1
        return mesh

    @cached_property
    def faces(self) -> Faces:
        """All faces in painting order, as the camera sees them."""
        return self._mesh.finish(self.camera)

    @cached_property
    def shadows(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Corners (V, 3), sizes (S,) and kinds (S,) of the shadows on the ground, in camera coordinates."""
        return self._mesh.shadows(self.camera)

    @cached_property
    def roofs(self) -> NDArray[np.float64]:
        """(2, 1000) height of the buildings on the left and right for s = -100 to 400 in steps of half a metre."""
        heights = np.zeros((2, 1000))
        for thing in self.things:
            if isinstance(thing, Building):
                low, high = (int((s + 100) * 2) for s in (thing.start, thing.stop))
                row = heights[int(thing.side > 0), max(0, low) : max(0, high)]
                np.maximum(row, thing.height + 0.6 * thing.roof, out=row)
        return heights

    def joints(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """Return the joints of all people in a picture of ``size`` = (H, W), whatever the resolution.

        They are (people, 14, 3): x, y in pixels and 1 for visible, 0 for hidden, in the order of Leeds Sports Pose.
        Visible are those in the picture that nothing nearer covers; those behind the person's own body count too.
        """
        faces, people = self.faces, self.people
        places = np.array([person.joints() for person in people], np.float64).reshape(-1, 3)
        seen = self.camera.see(places)
        points = self.camera.project(np.maximum(seen, (-np.inf, -np.inf, 1e-3)), size)
        inside = (seen[:, 2] > NEAR) & (points >= 0).all(1) & (points < (size[1], size[0])).all(1)
        corners = self.camera.project(faces.points, size)
        low = np.minimum.reduceat(corners, faces.starts) if len(faces.sizes) else corners
        high = np.maximum.reduceat(corners, faces.starts) if len(faces.sizes) else corners
        for joint in np.flatnonzero(inside):
            x, y = points[joint]
            last = np.flatnonzero(faces.owner == joint // 14)[-1]
            near = np.arange(last + 1, len(faces.sizes))
            near = near[((low[near] <= (x, y)) & (high[near] >= (x, y))).all(1)]
            pieces = ((faces.starts[face], faces.starts[face] + faces.sizes[face]) for face in near)
            inside[joint] = not any(_covers(corners[start:stop], x, y) for start, stop in pieces)
        return np.concatenate([points, inside[:, None]], 1).reshape(len(people), 14, 3)


def _covers(corners: NDArray[np.float64], x: float, y: float) -> bool:
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, 0).T
    passes = (y0 <= y) != (y1 <= y)
    where = x0[passes] + (y - y0[passes]) * (x1 - x0)[passes] / (y1 - y0)[passes]
    return bool(np.count_nonzero(where > x) % 2)
