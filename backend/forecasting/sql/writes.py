"""Whether a GoogleSQL text writes to a table, as far as its own statements say.

What a comment or a string mentions is no write, but for the strings of a text with EXECUTE
IMMEDIATE: those that are statements are read as such, and one that leaves open what it writes to
counts where the table's name stands in the strings. What a procedure does, or a statement whose
parts come out of a table or a parameter, is not seen.
"""

import re
from collections.abc import Iterator

_SKIPPED = re.compile(
    r"""
    --[^\n]* | \#[^\n]* | /\*.*?\*/
    | [rRbB]{0,2}(?:
        \'\'\'(?:\\.|[^\\])*?\'\'\' | \"\"\"(?:\\.|[^\\])*?\"\"\"
        | '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*"
    )
    | (?P<name>`[^`]*`)
    """,
    re.DOTALL | re.VERBOSE,
)
_PART = r"(?:`[^`]+`|[\w-]+)"
_VERB = r"""
    \b(?:
        INSERT\s+(?:INTO\s+)? | MERGE\s+(?:INTO\s+)? | UPDATE\s+ | DELETE\s+(?:FROM\s+)?
        | TRUNCATE\s+TABLE\s+ | CREATE\s+OR\s+REPLACE\s+TABLE\s+
        | (?:ALTER|DROP)\s+TABLE\s+(?:IF\s+EXISTS\s+)? | LOAD\s+DATA\s+(?:INTO|OVERWRITE)\s+
    )
"""
_FLAGS = re.IGNORECASE | re.VERBOSE
_WRITE = re.compile(rf"{_VERB}(?P<table>{_PART}(?:\s*\.\s*{_PART})*)", _FLAGS)
_DYNAMIC = re.compile(r"\bEXECUTE\s+IMMEDIATE\b", _FLAGS)
_OPEN = r"[`\w.:-]* (?: [%{{@?\[] {} )"
_OPEN_WRITE = re.compile(_VERB + _OPEN.format(""), _FLAGS)
_BEGUN_WRITE = re.compile(_VERB + _OPEN.format(r"| \s* \Z"), _FLAGS)
"""Writes whose table is not all there: it is put in, or comes after the string."""


def writes_to(query: str, table_id: str, default_dataset: str = "") -> bool:
    """`table_id` is project.dataset.table; a name without dataset is of the default one."""
    _, dataset, table = table_id.rsplit(".", 2)
    names = {_plain(table_id), f"{dataset}.{table}"}
    if default_dataset == dataset:
        names.add(table)
    text = _SKIPPED.sub(_without_contents, query)
    if any(_plain(found["table"]) in names for found in _WRITE.finditer(text)):
        return True
    if not _DYNAMIC.search(text):
        return False
    strings = list(_strings(query))
    if any(writes_to(string, table_id, default_dataset) for string, _ in strings):
        return True
    named = table in "".join(string for string, _ in strings)
    return named and any(
        (_BEGUN_WRITE if goes_on else _OPEN_WRITE).search(string) for string, goes_on in strings
    )


def _strings(query: str) -> Iterator[tuple[str, bool]]:
    """What stands in the string literals, and whether something is put behind it."""
    for found in _SKIPPED.finditer(query):
        literal = found[0].lstrip("rRbB")
        if literal.startswith(("'", '"')):
            quotes = 3 if literal.startswith(("'''", '"""')) else 1
            goes_on = query[found.end() :].lstrip().startswith(("||", ","))
            yield re.sub(r"\\[nrt]", " ", literal[quotes:-quotes]), goes_on


def _without_contents(found: re.Match[str]) -> str:
    """A name as it is; of a comment a space is left, and of a string its quotes."""
    is_comment = found[0].startswith(("--", "#", "/*"))
    return found["name"] or (" " if is_comment else " '' ")


def _plain(name: str) -> str:
    return re.sub(r"[`\s]", "", name).replace(":", ".")
