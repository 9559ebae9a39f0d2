"""Where a report may be written, and what is left as it was."""

import os
import stat
import threading
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command

from backend.forecasting.errors import ForecastingError, shown
from backend.forecasting.output.files import is_stdout, refuse_unwritable, write_text
from backend.forecasting.tests.support.healthy import Healthy


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_file__that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(0o640)
    write_text(path, "new")
    assert (path.read_text(), mode_of(path)) == ("new", 0o640)


def test_file__that_is_new_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "text")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == 0o640


def test_file__that_cannot_take_its_place_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", Mock(side_effect=OSError(28, "No space left")))
    with pytest.raises(ForecastingError, match=r"report\.html cannot be written: No space left"):
        write_text(path, "new")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("report.html", "old")
    ]


def test_file__link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "real.html", tmp_path / "link.html"
    link.symlink_to(target)
    for text in ("first", "second"):
        refuse_unwritable("--report", link)
        write_text(link, text)
        assert (link.is_symlink(), target.read_text()) == (True, text)


def test_file__links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    with pytest.raises(ForecastingError, match=r"no such file can be .*(circle|symbolic links)"):
        refuse_unwritable("--report", one)


def test_file__name_that_is_too_long_is_refused_in_the_systems_words(tmp_path: Path) -> None:
    with pytest.raises(ForecastingError, match=r"no such file can be \(File name too long\)\."):
        refuse_unwritable("--report", tmp_path / f"{'x' * 300}")


def test_file__fifo_is_written_through_and_stays(tmp_path: Path) -> None:
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    refuse_unwritable("--report", path)
    write_text(path, "page")
    reader.join()
    assert (read, path.is_fifo()) == (["page"], True)


def test_file__device_is_written_through_and_stays() -> None:
    """A terminal's, which nobody can put a file in the place of: /dev/null is everybody's."""
    ours, theirs = os.openpty()
    path = Path(os.ttyname(theirs))
    refuse_unwritable("--report", path)
    write_text(path, "page")
    assert (os.read(ours, 99), path.is_char_device()) == (b"page", True)
    os.close(ours)
    os.close(theirs)


@pytest.mark.django_db
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_stdout__gets_the_page_alone_and_the_rest_goes_to_stderr(
    healthy: Healthy, name: str
) -> None:
    out, err = StringIO(), StringIO()
    call_command("bq_verify", report=name, stdout=out, stderr=err)
    assert is_stdout(Path(name))
    assert out.getvalue().startswith("<!doctype html>")
    assert "checks: " in err.getvalue()
    assert f"Report: {name}" in err.getvalue()


@pytest.mark.django_db
def test_stdout__is_not_for_two(healthy: Healthy) -> None:
    with pytest.raises(CommandError, match="--report is -, and standard output is taken"):
        call_command("bq_verify", report="-", format="json", stdout=StringIO(), stderr=StringIO())


def test_stdout__is_known_by_the_file_that_it_goes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, other, link = tmp_path / "taken", tmp_path / "other", tmp_path / "link"
    other.touch()
    link.symlink_to(taken)
    with taken.open("w") as file:
        seen = os.fstat(file.fileno())
        monkeypatch.setattr("backend.forecasting.output.files.os.fstat", lambda number: seen)
        names = (taken, link, other, tmp_path / "none", Path("/dev/null"))
        assert [is_stdout(path) for path in names] == [True, True, False, False, False]


def test_stderr__file_that_it_goes_to_is_added_to(tmp_path: Path) -> None:
    """Replaced, it would lose what was said and will be (`--report /dev/stderr 2>log`)."""
    log, before = tmp_path / "log", os.dup(2)
    with log.open("w") as file:
        os.dup2(file.fileno(), 2)
    try:
        os.write(2, b"said\n")
        refuse_unwritable("--report", log)
        write_text(log, "page\n")
        os.write(2, b"and more\n")
    finally:
        os.dup2(before, 2)
        os.close(before)
    # Whatever another thread says meanwhile.
    ours = [line for line in log.read_text().splitlines() if line in ("said", "page", "and more")]
    assert ours == ["said", "page", "and more"]


def test_refusal__names_the_flag_and_the_file(tmp_path: Path) -> None:
    link, other = tmp_path / "link", tmp_path / "none" / "other"
    link.symlink_to(other)
    refused = {
        tmp_path: ", a directory: name a file to write.",
        tmp_path / "none" / "x.html": f", and there is no directory {tmp_path / 'none'}.",
        link: f", and there is no directory {tmp_path / 'none'}.",
        tmp_path / f"{'x' * 300}": ": no such file can be (File name too long).",
    }
    for path, why in refused.items():
        with pytest.raises(ForecastingError) as caught:
            refuse_unwritable("--report", path)
        assert str(caught.value) == f"--report is {shown(str(path))}{why}"
    with pytest.raises(ForecastingError) as caught:
        refuse_unwritable("--report", Path("a\0b"))
    assert str(caught.value).endswith(": a name cannot hold a NUL character.")


def test_refusal__asks_whether_the_folder_of_the_file_itself_may_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    link, access = tmp_path / "link", Mock(return_value=False)
    link.symlink_to(tmp_path / "real" / "page")
    monkeypatch.setattr(os, "access", access)
    for path, folder in ((tmp_path / "x", tmp_path), (link, tmp_path / "real")):
        with pytest.raises(ForecastingError) as caught:
            refuse_unwritable("--report", path)
        assert str(caught.value) == f"--report is {path}, and {folder} may not be written to."
        assert access.call_args_list[-1].args == (folder, os.W_OK)


def test_file__is_made_hidden_beside_its_place_and_gone_however_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "page.html", list[str]()

    def stop(made: Path, _: Path) -> None:
        seen.extend(file.name for file in tmp_path.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "n\u00f8w")
    (name,) = seen
    assert name.startswith(".page.html.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o666), (0o022, 0o644), (0o077, 0o600)])
def test_file__that_is_new_is_no_program(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "new", "text")
    finally:
        assert os.umask(before) == umask
    assert mode_of(tmp_path / "new") == mode


def test_file__is_utf_8_whatever_the_machine_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encodings, fdopen = list[Any](), os.fdopen

    def opened(*given: Any, **how: Any) -> Any:
        encodings.append(how.get("encoding"))
        return fdopen(*given, **how)

    monkeypatch.setattr(os, "fdopen", opened)
    monkeypatch.setattr(
        Path, "write_text", lambda path, text, encoding=None: encodings.append(encoding)
    )
    os.mkfifo(tmp_path / "pipe")
    for name in ("new", "pipe"):
        write_text(tmp_path / name, "text")
    monkeypatch.setattr("backend.forecasting.output.files._goes_to", lambda path, number: True)
    write_text(tmp_path / "standard error", "")
    assert encodings == ["utf-8"] * 3


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "pipe"])
def test_file__that_is_written_through_needs_no_folder_to_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refuse_unwritable("--report", Path(name))


def test_refusal__names_the_folder_as_it_was_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    with pytest.raises(ForecastingError) as caught:
        refuse_unwritable("--report", tmp_path / "folder" / "none" / "x")
    assert str(caught.value).endswith(f"there is no directory {tmp_path / 'folder' / 'none'}.")


def test_file__is_utf_8_and_its_link_is_followed_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("page")
    write_text(Path("link"), "\u00f8 \u65e5")
    write_text(Path("other"), "\u00f8 \u65e5")
    for name in ("page", "other"):
        assert (tmp_path / name).read_bytes() == "\u00f8 \u65e5".encode()


def test_stdout__is_known_by_its_names() -> None:
    names = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "stdout", "/dev/null", "a\0b")
    assert [is_stdout(Path(name)) for name in names] == [*[True] * 4, *[False] * 3]
