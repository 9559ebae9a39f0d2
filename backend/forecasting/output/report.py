"""The verification as one page to look at: a file that needs nothing else, and no network."""

import os
import tempfile
from pathlib import Path

from django.template.loader import render_to_string

from ..errors import ForecastingError, shown
from ..google.clients import Clients
from ..verification.verify import Verification
from .page import Charts, make_page
from .report_data import ReportData, read_report_data


def check_report_path(path: Path) -> None:
    """Raise ForecastingError where the report could not be written, before any look."""
    said, folder = f"--report is {shown(str(path))}", path.absolute().parent
    try:
        if "\0" in path.name:
            raise ForecastingError(f"{said}: a name cannot hold a NUL character.")
        if path.is_dir():
            raise ForecastingError(f"{said}, a directory: name a file to write.")
        if not folder.is_dir():
            raise ForecastingError(f"{said}, and there is no directory {shown(str(folder))}.")
        if not os.access(folder, os.W_OK):
            raise ForecastingError(f"{said}, and {shown(str(folder))} may not be written to.")
    except OSError as error:
        # A name that is too long, for one.
        raise ForecastingError(f"{said}: no such file can be ({error.strerror}).") from error


def write_report(path: Path, result: Verification, clients: Clients) -> str:
    """Write the page, all of it or nothing; returns why it has no charts, or nothing.

    Raises ForecastingError where the file cannot be written.
    """
    data = read_report_data(result.snapshot, clients)
    page = make_page(result, data, _draw)
    try:
        _replace_file(path, render_to_string("forecasting/report.html", {"page": page}))
    except OSError as error:
        raise ForecastingError(f"The report {path} cannot be written: {error.strerror}.") from error
    return data if isinstance(data, str) else ""


def _draw(data: ReportData) -> Charts:
    from .charts import draw_report

    return draw_report(data)


def _replace_file(path: Path, text: str) -> None:
    """Put the text in place at once: a reader sees the old page or the new one."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp lets nobody else read; a report is for those whom the umask lets.
        umask = os.umask(0)
        os.umask(umask)
        made.chmod(0o666 & ~umask)
        made.replace(path)
    except BaseException:
        made.unlink()
        raise
