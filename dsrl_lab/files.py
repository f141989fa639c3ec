"""Files that are whole or not there, and their SHA-256: the kit's one way to write."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_FULL = (errno.ENOSPC, errno.EDQUOT)
_WRITING = (*_FULL, errno.EFBIG, errno.EIO, errno.EROFS)
_NO_SPACE = "No space left on device"


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Write a file so that it appears under its name only once it is complete; missing folders are created.

    The body writes to a temporary path in the same folder, with the same suffix, which is brought to the disk and takes
    the name in one step. After an error or Ctrl-C it is deleted, and what stood under the name is as it was.

    Raises:
        ValueError: something that is not a file stands under the name.
        OSError: the file cannot be written; the message names it, and on a full disk the free room.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "runs" / "a.txt") as temporary:
        ...         _ = temporary.write_text("all of it")
        ...     (Path(folder) / "runs" / "a.txt").read_text()
        'all of it'
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        raise ValueError(f"expected a file or nothing at {path}, found a folder or device; choose another name")
    temporary = target.with_name(f".unfinished-{secrets.token_hex(4)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # the system applies the umask
    except OSError as error:
        raise cannot_write(path, error) from error
    mode = os.fstat(descriptor).st_mode & 0o777
    os.close(descriptor)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)  # some writers put a file of their own, with mode 600, in its place
        temporary.replace(target)
    except Exception as error:
        if _is_of_disk(error, temporary):
            temporary.unlink(missing_ok=True)  # before the free room is measured
            raise cannot_write(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Write a folder as ``whole_file`` does a file: the body fills a temporary one, which takes the older's place."""
    target = Path(path).resolve()
    unfinished = target.with_name(f".unfinished-{secrets.token_hex(4)}")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if target.exists():
            shutil.rmtree(target)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _is_of_disk(error: Exception, temporary: Path) -> bool:
    """True if writing failed, not the body's own work: Rust's libraries say so in words, PyTorch in vague ones."""
    if isinstance(error, OSError):
        return error.errno in _WRITING or error.filename == str(temporary)
    full = isinstance(error, RuntimeError) and shutil.disk_usage(temporary.parent).free < 2**16
    return full or _NO_SPACE in str(error)


def cannot_write(path: str | Path, error: Exception) -> OSError:
    """The error that names what could not be written, why, and what to do."""
    reason, remedy = getattr(error, "strerror", None) or str(error), "choose a folder that you may write"
    if not isinstance(error, OSError) or error.errno in _FULL:
        reason, remedy = f"the disk is full, {_free_bytes(Path(path).resolve()) / 1e6:.1f} MB are free", "make room"
    return OSError(f"cannot write {path}: {reason}; {remedy}")


def _free_bytes(place: Path) -> int:
    return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.is_dir())).free


def check_free_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        ValueError: fewer than ``needed`` bytes are free where ``folder`` is or will be.
    """
    free = _free_bytes(folder.resolve())
    if needed > free:
        raise ValueError(
            f"{folder} needs {needed / 1e6:.0f} MB more and its disk has {free / 1e6:.0f} MB free; "
            "make room or choose another folder"
        )


def read_text(path: str | Path) -> str:
    """Read a text that a person may have written, in UTF-8 with or without a byte order mark.

    Raises:
        ValueError: another encoding; the file and the first line that shows it are named.
        OSError: the file cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        text = content.decode("utf-8-sig")
        wrong = text.find("\0")
        if wrong < 0:
            return text
    except UnicodeDecodeError as error:
        wrong = error.start
    line = content[:wrong].count(b"\n") + 1
    raise ValueError(f"line {line} of {path} is not UTF-8, perhaps UTF-16 or Latin-1; save the file as UTF-8")


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits.

    Example:
        >>> sha256(os.devnull)[:8]
        'e3b0c442'
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
