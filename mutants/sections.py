"""Parts of a document that a program writes, between marks: the rest of it stays as it is."""

import re
from pathlib import Path


def put_section(document: Path, name: str, text: str) -> None:
    """Replace what is between `<!-- NAME -->` and `<!-- end of NAME -->`, or append both."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{text}\n{end}"
    old = document.read_text("utf-8")
    block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if block.search(old):
        new = block.sub(lambda _: section, old, count=1)
    else:
        new = f"{old.rstrip()}\n\n{section}\n"
    document.write_text(new, "utf-8")


def kept_sections(document: Path, name: str) -> str:
    """The sections of a document whose names begin with `name`, to be put under a new text."""
    if not document.exists():
        return ""
    blocks = re.compile(rf"<!-- ({re.escape(name)}[^>]*) -->.*?<!-- end of \1 -->", re.DOTALL)
    found = [match[0] for match in blocks.finditer(document.read_text("utf-8"))]
    return "".join(f"\n{section}\n" for section in found)
