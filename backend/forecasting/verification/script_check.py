"""The check of the stored script: whether it is ours, and if not, whose hand or which settings."""

from collections.abc import Sequence

from ..conf import SETTINGS
from ..provisioning.plan import Change
from ..provisioning.transfer_configs import script_of
from ..sql.script_head import UNKNOWN_SCRIPT, StoredScript, read_script
from .findings import Finding, differing, passed
from .snapshot import Snapshot

CHECK = "schedule.query"
_RUN_ETL = "run `python manage.py bq_setup_etl`"
_SEE = "see what differs with `python manage.py bq_setup_etl --dry-run`"
_NAMES = {setting.field: setting.setting for setting in SETTINGS}


def stored_script(snapshot: Snapshot) -> StoredScript:
    """What is told from the script that runs every night."""
    if snapshot.scheduled is None:
        return UNKNOWN_SCRIPT
    return read_script(script_of(snapshot.scheduled))


def check_script(stored: StoredScript, wanted: str, changes: Sequence[Change]) -> Finding:
    """`changes` are those of the scheduled query that concern its script and parameters."""
    if not changes:
        return passed(CHECK, "the script of this version")
    settings = [change for change in changes if change.field in stored.settings]
    others = [change for change in changes if change not in settings]
    parts = [f"{c.field} is {c.before}, here {c.after or 'unknown'}" for c in settings]
    parts += [c.field if c.field != "query" else f"query, {_why(stored)}" for c in others]
    hint = _hint(stored, read_script(wanted), settings, others)
    return differing(CHECK, f"differs: {'; '.join(parts)}", hint, changes)


def _why(stored: StoredScript) -> str:
    if stored.sealed:
        return "which another version of this program made"
    return "which somebody edited" if stored.settings else "which is not of this version"


def _hint(
    stored: StoredScript, wanted: StoredScript, settings: Sequence[Change], others: Sequence[Change]
) -> str:
    """What to do. No hint leads to a loss: where the stored script keeps more, ours has to follow.

    Of a foreign script nobody knows what it keeps; bq_setup_etl looks at what there is to lose.
    """
    if stored.known and wanted.keeps_less_than(stored):
        return f"the stored script keeps more days: {_follow(stored)}"
    put_back = f"{_SEE}, then {_RUN_ETL}" if others and not stored.sealed else _RUN_ETL
    if settings and stored.keeps_less_than(wanted):
        return f"the settings here keep more days: {put_back}"
    return put_back


def _follow(stored: StoredScript) -> str:
    if stored.kept_days is None:
        return f"set {_NAMES['keep_history']}=on here as well"
    return f"set {_NAMES['window_days']}={stored.kept_days} here as well"
