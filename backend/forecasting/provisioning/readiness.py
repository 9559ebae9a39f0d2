"""Whether the training table is there for a load, and keeps what one writes."""

from ..conf import Config
from ..counting import count_things
from ..errors import MissingPrerequisiteError
from .plan import Action, Plan

_DAY_MS = 24 * 60 * 60 * 1000


def require_table(config: Config, plan: Plan) -> None:
    """Raise MissingPrerequisiteError where what is planned for the table is for bq_setup to do."""
    if what := _why_no_load(plan) or _why_not_kept(config, plan):
        raise MissingPrerequisiteError(
            f"Table {plan.name} {what}: run bq_setup first (python manage.py bq_setup)."
        )


def _why_no_load(plan: Plan) -> str:
    """What of a table keeps a load from it and is for bq_setup to mend; empty for nothing."""
    if plan.action is not Action.UPDATE:
        return "does not exist" if plan.action is Action.CREATE else ""
    # A description that is missing is drift; only a whole column is in the way of a load.
    columns = {
        c.field.removeprefix("columns."): c.before
        for c in plan.changes
        if c.field.startswith("columns.") and not c.field.endswith(".description")
    }
    if absent := [name for name, before in columns.items() if before is None]:
        return f"lacks {', '.join(absent)}"
    return f"takes no NULL in {', '.join(columns)}" if columns else ""


def _why_not_kept(config: Config, plan: Plan) -> str:
    """How BigQuery would delete by itself what a load writes; empty where it keeps the window."""
    before = {change.field: change.before for change in plan.changes}
    if expires := before.get("expirationTime"):
        return f"is deleted by BigQuery itself at {expires} (expirationTime)"
    expiration = before.get("timePartitioning.expirationMs")
    days = int(expiration.split()[0]) / _DAY_MS if expiration else 0
    if expiration and (config.keep_history or days <= config.window_days):
        return (
            f"loses each day {count_things(days, 'day')} after it, by BigQuery itself "
            "(timePartitioning.expirationMs)"
        )
    return ""
