"""Files that a command is told to write: whole or not at all, and only where they may be."""

import os
import stat
import tempfile
from pathlib import Path

from ..errors import ForecastingError, shown

_STDOUT = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}


def is_stdout(path: Path) -> bool:
    """Whether it stands for standard output, to which only its owner writes.

    A file that standard output goes to does: replaced, it would lose what is written after it.
    """
    return str(path) in _STDOUT or _goes_to(path, 1)


def _goes_to(path: Path, descriptor: int) -> bool:
    """Whether it is an ordinary file, and what is written there goes to it."""
    try:
        named = path.stat()
        return stat.S_ISREG(named.st_mode) and os.path.samestat(named, os.fstat(descriptor))
    except (OSError, ValueError):
        return False


def refuse_unwritable(flag: str, path: Path) -> None:
    """Raise ForecastingError where the file could not be written, before anything is asked."""
    said = f"{flag} is {shown(str(path))}"
    try:
        if "\0" in str(path):
            raise ForecastingError(f"{said}: a name cannot hold a NUL character.")
        if path.is_dir():
            raise ForecastingError(f"{said}, a directory: name a file to write.")
        if is_stdout(path) or _is_written_through(path):
            return
        folder = _target(path).parent
        if not folder.is_dir():
            raise ForecastingError(f"{said}, and there is no directory {shown(str(folder))}.")
        if not os.access(folder, os.W_OK):
            raise ForecastingError(f"{said}, and {shown(str(folder))} may not be written to.")
    except (OSError, RuntimeError) as error:
        # A name that is too long, or links in a circle.
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        raise ForecastingError(f"{said}: no such file can be ({why}).") from error


def write_text(path: Path, text: str) -> None:
    """Put the text there: a file is replaced at once, so that a reader sees the old or the new.

    A link is followed, and the mode of a file that is there stays. What is no ordinary file (a
    device, a FIFO, standard error's own file) is written to and stays what it is. Raises
    ForecastingError.
    """
    try:
        if _goes_to(path, 2):
            # From where it has got to: what is said after it does not write over it.
            with os.fdopen(os.dup(2), "w", encoding="utf-8") as file:
                file.write(text)
        elif _is_written_through(path):
            path.write_text(text, encoding="utf-8")
        else:
            _replace(_target(path), text)
    except OSError as error:
        raise ForecastingError(f"{path} cannot be written: {error.strerror}.") from error


def _target(path: Path) -> Path:
    return path.resolve() if path.is_symlink() else path.absolute()


def _is_written_through(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _replace(path: Path, text: str) -> None:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _new_mode()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        made.chmod(mode)
        made.replace(path)
    except BaseException:
        made.unlink()
        raise


def _new_mode() -> int:
    """What the umask leaves; mkstemp lets nobody else read."""
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
