"""From an archive of a learning platform to ``submitted/<student>/<assignment>/``; only notebooks are unpacked."""

import re
import zipfile
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from dsrl_lab.course.grading.notebook_file import LARGEST, Unreadable, parse, read, write_whole
from dsrl_lab.files import whole_file

MOST_FILES = 20_000
NAMES = (  # of files in an archive
    re.compile(r"(?P<student>[^/]+_\d+)_assignsubmission_file[_/]+(?P<file>.+)"),  # Moodle
    re.compile(r"(?P<student>[^/_]+_)(?P<late>LATE_)?(?P<number>\d+)_\d+_(?P<file>[^/]+)"),  # Canvas
    re.compile(r"(?:.*/)?(?P<student>[^/]+)/(?P<file>[^/]+)"),  # a folder for each student
)


def collect(course: Path, archive: Path) -> tuple[list[str], list[str]]:
    """Put each notebook in its place by its cells, whatever its name; return what was placed, and what was not and why.

    Of several of one student and assignment the latest counts. Raises ValueError for no archive, or no course.
    """
    released = {path.stem: {cell.id for cell in read(path)} for path in sorted(course.glob("release/*/*.ipynb"))}
    if not released:
        raise ValueError(f"expected a course with release/ in {course}; build it with dsrl-lab classroom release")
    placed: dict[str, str] = {}
    left = []
    try:
        with zipfile.ZipFile(archive) as file:
            members = sorted(file.infolist(), key=lambda member: member.date_time)
            if len(members) > MOST_FILES:
                raise ValueError(f"expected at most {MOST_FILES} files in {archive}, got {len(members)}")
            for member in members:
                last = member.filename.rpartition("/")[2]
                if not last.lower().endswith(".ipynb") or last.startswith("._"):  # as macOS adds them
                    continue
                try:
                    student, assignment, content = _place(file, member, released)
                    folder, time = course / "submitted" / student / assignment, datetime(*member.date_time)
                    with whole_file(folder / f"{assignment}.ipynb") as temporary:
                        temporary.write_bytes(content)
                    write_whole(folder / "timestamp.txt", f"{time} UTC\n")
                    placed[f"{student}/{assignment}"] = f"{student}: {assignment}, from {member.filename}"
                except (ValueError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                    left.append(f"{member.filename}: {error}")
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"expected a ZIP archive from Moodle or Canvas, got {archive} ({error})") from error
    return list(placed.values()), left


def _place(file: zipfile.ZipFile, member: zipfile.ZipInfo, released: dict[str, set[str]]) -> tuple[str, str, bytes]:
    found = next((match for pattern in NAMES if (match := pattern.fullmatch(member.filename))), None)
    if found is None:
        raise Unreadable("its name tells no student; expected names as Moodle and Canvas give them, or a folder each")
    if member.file_size > LARGEST:
        raise Unreadable(f"it has more than the {LARGEST >> 20} MiB that are taken")
    parts = found.groupdict()
    student = re.sub(r"[^\w @+,.()'-]", "_", parts["student"] + (parts.get("number") or "")).lstrip(".")
    content, ids = file.read(member), set()
    with suppress(Unreadable):  # is graded as such
        ids = {name for cell in parse(content)[0] for name in (cell.id, cell.grade_id)} - {""}
    shared = {name: len(ids & theirs) + (name in parts["file"]) for name, theirs in released.items()}
    best = max(shared, key=lambda name: shared[name])
    if not shared[best] or not student:
        raise Unreadable(f"it is like no assignment of this course ({', '.join(released)})")
    return student, best, content
