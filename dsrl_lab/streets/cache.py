"""Drawn scenes kept in a folder: each is drawn once, by any of several processes, and read back bit for bit."""

import contextlib
import functools
import hashlib
import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.files import check_free_space, whole_file
from dsrl_lab.streets.layout import sample_scene
from dsrl_lab.streets.render import render

Array = NDArray[np.uint8]
LIMIT = 8 * 2**30  # bytes of all sets together


@dataclass(frozen=True)
class SceneSet:
    """The first ``count`` scenes of a town's split at one size; in ``root`` it has a folder of files (H, W, 4) uint8.

    Several processes may draw a set at once: they share the work, and every file appears whole. When a set begins, the
    sets that were not used for longest go until all fit into ``limit``. One that is larger by itself is not kept.
    """

    root: Path | None  # folder of all sets; None to keep nothing
    key: tuple[int, int]  # town and split, the first numbers of a scene's key
    size: tuple[int, int]  # (H, W)
    count: int
    limit: int = LIMIT

    @property
    def folder(self) -> Path | None:
        """Where the set is kept, if it is: drawn by other code or another NumPy it is another set."""
        if self.root is None or self._bytes > self.limit:
            return None
        town, split = self.key
        return self.root / f"streets-{_edition()}-town{town}-split{split}-{self.size[0]}x{self.size[1]}"

    def read(self, index: int) -> tuple[Array, Array]:
        """Picture (H, W, 3) and mask (H, W) of a scene; one that is not there, or damaged, is drawn and kept."""
        path = self.folder and self.folder / f"{index:06d}.npy"
        with contextlib.suppress(OSError, ValueError, EOFError):
            kept: Array = np.empty(0, np.uint8) if path is None else np.load(path)
            if kept.shape == (*self.size, 4) and kept.dtype == np.uint8:
                return kept[..., :3], kept[..., 3]
        picture, mask = render(sample_scene(*self.key, index), self.size)
        if path is not None:
            with whole_file(path) as temporary:
                np.save(temporary, np.dstack([picture, mask]))
        return picture, mask

    def draw(self, *, processes: int = 1, progress: Callable[[], None] = lambda: None) -> None:
        """Draw what is missing; Ctrl-C keeps what is drawn. ``progress`` is called after each scene.

        A script that asks for several ``processes`` guards its ``__main__``. ValueError where the disk has no room.
        """
        if self.folder is None:
            return
        if self.folder.is_dir():
            os.utime(self.folder)  # used now
        self._make_room()
        missing = [index for index in range(self.count) if not self._is_there(index)]
        for _ in range(self.count - len(missing)):
            progress()
        random.SystemRandom().shuffle(missing)  # another process that draws this set has another order
        if processes == 1 or not missing:
            for _ in map(self._keep, missing):
                progress()
            return
        # The processes ignore Ctrl-C: the parent's lets each end what it has begun.
        spawn, ignore = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
        with ProcessPoolExecutor(processes, spawn, initializer=signal.signal, initargs=ignore) as pool:
            for _ in pool.map(self._keep, missing, chunksize=4):  # an interrupt here cancels what has not begun
                progress()

    @property
    def _bytes(self) -> int:
        return self.count * self.size[0] * self.size[1] * 4

    def _is_there(self, index: int) -> bool:
        return self.folder is not None and (self.folder / f"{index:06d}.npy").exists()

    def _keep(self, index: int) -> None:
        if not self._is_there(index):
            self.read(index)

    def _make_room(self) -> None:
        assert self.root is not None and self.folder is not None
        check_free_space(self.root, self._bytes - _size(self.folder))
        room = self.limit - self._bytes
        others = [path for path in self.root.glob("streets-*") if path != self.folder]
        with contextlib.suppress(FileNotFoundError):  # another process makes room too
            for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
                room -= _size(path)
                if room < 0:
                    shutil.rmtree(path, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("[0-9]*.npy"))


@functools.cache
def _edition() -> str:
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(code + np.__version__.encode()).hexdigest()[:12]
