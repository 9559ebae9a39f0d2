"""What differs between a stored script and the one to be stored, in the operator's words."""

from ..sql.script_head import read_script
from .plan import Change, differences


def script_changes(stored: str, wanted: str) -> list[Change]:
    """The settings that differ, and the texts as `query` where settings do not explain it."""
    before, after = read_script(stored), read_script(wanted)
    names = before.settings | after.settings if before.settings else {}
    found = differences(
        *((name, before.settings.get(name), after.settings.get(name)) for name in names)
    )
    if before.sealed and found:
        return found
    return found + differences(("query", stored, wanted))
