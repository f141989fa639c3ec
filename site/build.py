"""Build the site of DSRL Lab into build/site: ``make site``, or ``python site/build.py`` after ``npm ci`` in site/."""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from pathlib import Path

import pages
import sources
from frame import HERE, LANGUAGES, Site

from dsrl_lab.files import REPOSITORY, whole_folder


def build(out: Path) -> None:
    """Write the whole site into a folder, whole or not at all."""
    with whole_folder(out) as unfinished:
        site = Site(unfinished)
        shutil.copytree(HERE / "assets", site.out / "assets")
        steps = [pages.try_it]
        for page in (pages.widgets, pages.start, pages.notebooks, pages.figures):
            steps += [partial(page, language=language) for language in LANGUAGES]
        for number, step in enumerate([*steps, pages.documents, sources.write], 1):
            print(f"\rbuilding the site: {number} of {len(steps) + 2}", end="", flush=True)
            step(site)
        print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build/site")
    chosen = parser.parse_args().out
    if not (HERE / "node_modules/onnxruntime-web").is_dir():
        parser.error("the npm packages are not there; run npm ci --prefix site, or make site")
    build(chosen)
    print(f"{chosen}: see it with python3 -m http.server --bind 127.0.0.1 --directory {chosen}")
