"""README and docs/, taken apart: the commands, links and names that stand in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from django.conf import settings

from backend.forecasting.conf import SETTINGS
from backend.forecasting.conf.setting import Setting

ROOT = Path(settings.BASE_DIR)
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_MANAGE = re.compile(r"(?<![\w/])(?:python )?manage\.py ([a-z_]+[^`\n\"&|>;)]*)")
_NAMED = re.compile(r"`(bq_(?:setup|setup_etl|verify)(?: [^`]*)?)`")
_PLACEHOLDERS = {"N": "3", "DAYS": "3", "SECONDS": "60", "P": "demo-project"}


@dataclass(frozen=True)
class Command:
    """A call of manage.py as a document writes it, placeholders filled in."""

    document: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)}"


def commands_in(document: Path) -> Iterator[Command]:
    """Every call of manage.py, in blocks and in sentences, and every named command with flags."""
    text = _joined(document.read_text("utf-8"))
    found = sorted(
        (match.start(), match.group(1)) for p in (_MANAGE, _NAMED) for match in p.finditer(text)
    )
    for _, line in found:
        words = shlex.split(line, comments=True)
        yield Command(document.name, tuple(_PLACEHOLDERS.get(word, word) for word in words))


def settings_table() -> str:
    """The table of README.md, as the declarations of the settings have it."""
    head = ["| setting | flag | default | |", "|---|---|---|---|"]
    return "".join(f"{line}\n" for line in [*head, *map(_settings_row, SETTINGS)])


def _settings_row(setting: Setting) -> str:
    first, *others = setting.default.split(", ")
    default = f"`{first}`{', ...' if others else ''}" if first else ""
    if not (default or setting.optional):
        default = "*needed*"
    flag = f"`{setting.flag}`" if setting.flag else ""
    return f"| `{setting.setting}` | {flag} | {default} | {setting.about or setting.help} |"


def flags_in(document: Path) -> set[str]:
    """The long flags of the document that are no other program's."""
    text = re.sub(r"\]\([^)\s]+\)", "]", document.read_text("utf-8"))
    lines = _joined(text).splitlines()
    ours = [line for line in lines if not re.search(r"\b(?:gcloud|bq|psql|pip|make) ", line)]
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(ours)))


def blocks_in(document: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in their order and without what they are indented by."""
    pattern = rf"^( *)```{language}\n(.*?)^ *```$"
    found = re.findall(pattern, document.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [dedent(text) for _, text in found]


def shell_lines_in(document: Path, program: str) -> list[str]:
    """The lines of its `sh` blocks that call a program, continued ones joined."""
    lines = _joined("\n".join(blocks_in(document, "sh"))).splitlines()
    return [line for line in lines if re.search(rf"(?:^|[|] |&& ){program} ", line)]


def links_in(document: Path) -> Iterator[tuple[Path, str]]:
    """File and heading of each link that leads to a file of this repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if not re.match(r"https?:|mailto:", target):
            path, _, heading = target.partition("#")
            yield (document.parent / path if path else document), heading


def sections_of(document: Path) -> list[str]:
    """The headings of its sections, outside of blocks."""
    text = re.sub(r"^ *```.*?^ *```$", "", document.read_text("utf-8"), flags=re.M | re.S)
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def headings_of(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def _joined(text: str) -> str:
    """The text with continued lines in one."""
    return re.sub(r"(?<=&&)\n *| *\\\n *", " ", text)
