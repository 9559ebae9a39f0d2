"""What the demo shows of the way to a model, so that it fits on one screen."""

import json
import re
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

from backend.demo.steps import PROJECT, TABLE, Write, count_rows, run_step

_SPECIFICATION = "training.json"
_WIDTH = 110
_SHOWN_BEFORE = re.compile(r"pass  (?!vertex\.(?:series_usable|context|split|baseline)|views\.)")


def show_model(horizon_days: int, environment: dict[str, str], write: Write) -> None:
    """The way to a model, on one screen more: views, checks, baseline, specification."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--project", PROJECT, "--horizon-days", str(horizon_days)]
        run_step(["bq_setup", *flags], environment, write)
        for view in (f"{TABLE}_training", f"{TABLE}_forecast"):
            write(f"{count_rows(environment, view):,} rows in {view}")
        verify = ["bq_verify", *flags, "--baseline", "--training-spec", _SPECIFICATION]
        run_step(verify, environment, write, folder=folder, edit=_leave_out_checks_shown_before)
        for line in _describe_specification(Path(folder) / _SPECIFICATION):
            write(line)


def _leave_out_checks_shown_before(lines: Iterator[str]) -> Iterator[str]:
    """The output of a command, without the checks that passed and are not about the model."""
    left_out = 0
    for line in lines:
        if _SHOWN_BEFORE.match(line):
            left_out += 1
            continue
        if left_out:
            yield f"...   {left_out} checks that passed above too"
            left_out = 0
        yield line


def _describe_specification(path: Path) -> Iterator[str]:
    """How to train, which is the part of it that says most, wrapped."""
    yield f"\n$ jq .training.run {path.name}"
    run = json.loads(path.read_text("utf-8"))["training"]["run"]
    yield from textwrap.wrap(json.dumps(run), _WIDTH, subsequent_indent=" ")
    yield "docs/training.md takes it from there to a started job."
