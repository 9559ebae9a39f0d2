"""What is known of the tests, kept between runs: which of them comes where, and how it ends.

A folder of files to which each process of a measurement appends its own: NAME holds lines of
`PLACE<tab>TEST`, NAME.tests a line of JSON for each part of a test that has ended, and one for each
file of tests that is through, with the digest of its text. So a measurement that was cut short goes
on where it was, and one after a change is of the changed files alone.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutants.plugin import file_of


@dataclass
class Record:
    """The lines of a record by the file of tests that they are about."""

    folder: Path
    places: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    ended: dict[str, list[tuple[str, float, bool]]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def seconds_of(self, file: str) -> float:
        return sum(seconds for _, seconds, _ in self.ended.get(file, ()))

    def keep(self, files: set[str]) -> None:
        """Forget all other files, on the disk as well."""
        for lines in (self.places, self.ended, self.digests):
            for file in set(lines) - files:
                del lines[file]
        for path in self.folder.iterdir():
            path.unlink()
        _write(self)


def load_record(folder: Path) -> Record:
    """All that was written, or an empty one."""
    folder.mkdir(parents=True, exist_ok=True)
    record = Record(folder)
    for path in sorted(folder.iterdir()):
        for line in path.read_text("utf-8").splitlines():
            if path.suffix == ".tests":
                _note(record, _parsed(line))
            elif "\t" in line:
                place, _, test = line.partition("\t")
                test = test.rsplit(" (", 1)[0]
                record.places.setdefault(file_of(test), set()).add((place, test))
    return record


def digest_of(path: Path) -> str:
    """That of a text, by which a file is known to be as it was."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # The last line of a process that was killed.


def _note(record: Record, line: Any) -> None:
    if isinstance(line, dict):
        record.digests[line["file"]] = line["digest"]
    elif line:
        test, seconds, passed = line
        record.ended.setdefault(file_of(test), []).append((test, seconds, passed))


def _write(record: Record) -> None:
    pairs = [f"{place}\t{test}\n" for found in record.places.values() for place, test in found]
    (record.folder / "0").write_text("".join(sorted(pairs)), "utf-8")
    lines = "".join(f"{json.dumps(line)}\n" for line in _lines(record))
    (record.folder / "0.tests").write_text(lines, "utf-8")


def _lines(record: Record) -> Iterator[object]:
    for ended in record.ended.values():
        yield from ended
    for file, digest in record.digests.items():
        yield {"file": file, "digest": digest}
