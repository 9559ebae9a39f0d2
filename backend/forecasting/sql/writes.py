"""Whether a GoogleSQL text writes to a table, as far as its own statements say.

What a comment or a string mentions is no write; what a script builds at run time is not seen.
"""

import re

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
_WRITE = re.compile(
    rf"""
    \b(?:
        INSERT\s+(?:INTO\s+)? | MERGE\s+(?:INTO\s+)? | UPDATE\s+ | DELETE\s+(?:FROM\s+)?
        | TRUNCATE\s+TABLE\s+ | CREATE\s+OR\s+REPLACE\s+TABLE\s+
        | DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)? | LOAD\s+DATA\s+(?:INTO|OVERWRITE)\s+
    )
    (?P<table>{_PART}(?:\s*\.\s*{_PART})*)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def writes_to(query: str, table_id: str, default_dataset: str = "") -> bool:
    """`table_id` is project.dataset.table; a name without dataset is of the default one."""
    _, dataset, table = table_id.rsplit(".", 2)
    names = {_plain(table_id), f"{dataset}.{table}"}
    if default_dataset == dataset:
        names.add(table)
    text = _SKIPPED.sub(_without_contents, query)
    return any(_plain(found["table"]) in names for found in _WRITE.finditer(text))


def _without_contents(found: re.Match[str]) -> str:
    """A name as it is; of a comment a space is left, and of a string its quotes."""
    is_comment = found[0].startswith(("--", "#", "/*"))
    return found["name"] or (" " if is_comment else " '' ")


def _plain(name: str) -> str:
    return re.sub(r"[`\s]", "", name).replace(":", ".")
