"""The mutants that change nothing that anybody could notice: equivalents.txt, each with why."""

from pathlib import Path

FILE = Path(__file__).with_name("equivalents.txt")


def load_equivalents(text: str) -> dict[tuple[str, str, str], str]:
    """The reason of each, by its key.

    An entry is five lines: the file, the line before (-) and after (+), why (=), and an empty one.
    Lines that begin with # are for the reader.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    entries = [lines[at : at + 4] for at in range(0, len(lines), 4)]
    found = {}
    for entry in entries:
        marks = [line[:2] for line in entry[1:]]
        if marks != ["- ", "+ ", "= "]:
            raise ValueError(f"equivalents.txt: an entry is FILE, -, + and =, unlike {entry}")
        found[entry[0], entry[1][2:], entry[2][2:]] = entry[3][2:]
    return found
