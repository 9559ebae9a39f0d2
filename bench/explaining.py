"""Puts what was measured into docs/benchmarks.md, between its marks."""

import re
from collections.abc import Mapping
from pathlib import Path

_BEGIN, _END = "<!-- measured -->\n", "<!-- end of measured -->"
_BLOCK = re.compile(r"(<!-- plan: (\w+) -->\n).*?(<!-- end of plan -->)", re.DOTALL)


def put_measured(document: Path, text: str) -> None:
    """Replaces what a document says between its marks, or makes one of nothing else."""
    present = document.read_text("utf-8") if document.exists() else f"{_BEGIN}{_END}\n"
    head, _, rest = present.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    document.write_text(f"{head}{_BEGIN}\n{text}\n\n{_END}{tail}", "utf-8")


def put_plans(document: Path, plans: Mapping[str, str]) -> None:
    """Replaces the plans between a document's `<!-- plan: NAME -->` marks.

    A name that the document marks and that has no plan keeps the one it has.
    """

    def replaced(match: re.Match[str]) -> str:
        plan = plans.get(match[2])
        return f"{match[1]}```text\n{plan}\n```\n{match[3]}" if plan else match[0]

    document.write_text(_BLOCK.sub(replaced, document.read_text("utf-8")), "utf-8")
