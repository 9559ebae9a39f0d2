"""Which days a backfill has loaded lately, noted in a label of the training table.

No run tells of a backfill, which is a job of its own. Whoever asks whether somebody else has
changed the table since the last good run has to know of it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from google.api_core.exceptions import Forbidden, PreconditionFailed
from google.cloud import bigquery

from ..conf import Config
from ..google.clients import Clients
from ..google.replies import readable

LABEL = "forecasting_backfill"
_LONGEST_JOB = timedelta(hours=6)
_KEPT = timedelta(days=7)
"""As long as the past of a table can be read."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The days [first_day, end_day), and when their load began or, once it is `done`, ended."""

    first_day: date
    end_day: date
    at: datetime
    done: bool

    def covers(self, day: date, since: datetime) -> bool:
        """Whether the day may have been loaded after a moment."""
        last = self.at if self.done else self.at + _LONGEST_JOB
        return self.first_day <= day < self.end_day and last > since

    def with_earlier(self, earlier: "Mark | None") -> "Mark":
        """One mark for both, where the earlier one still counts."""
        if earlier is None or earlier.at < self.at - _KEPT:
            return self
        return Mark(
            first_day=min(self.first_day, earlier.first_day),
            end_day=max(self.end_day, earlier.end_day),
            at=self.at,
            done=self.done,
        )

    def __str__(self) -> str:
        state = "done" if self.done else "begun"
        return f"{self.first_day:%Y%m%d}_{self.end_day:%Y%m%d}_{self.at.timestamp():.0f}_{state}"


def read_mark(table: bigquery.Table) -> Mark | None:
    """None where nobody has noted any, or something else."""
    text = (table.labels or {}).get(LABEL, "")
    found = re.fullmatch(r"(\d{8})_(\d{8})_(\d{1,10})_(done|begun)", text)
    if found is None:
        return None
    try:
        first_day, end_day = date.fromisoformat(found[1]), date.fromisoformat(found[2])
    except ValueError:
        return None
    at = datetime.fromtimestamp(int(found[3]), UTC)
    return Mark(first_day=first_day, end_day=end_day, at=at, done=found[4] == "done")


def note_backfill(
    config: Config, clients: Clients, first_day: date, end_day: date, *, done: bool
) -> None:
    """Note it beside an earlier one; left out where the table may not be changed."""
    table = clients.surely(lambda: clients.bigquery.get_table(config.table_id, **clients.repeating))
    with readable():
        # A second more: the label has no fractions.
        at = clients.clock.now() + timedelta(seconds=1 if done else 0)
        mark = Mark(first_day=first_day, end_day=end_day, at=at, done=done)
        noted = bigquery.Table(config.table_id)
        noted.labels = {LABEL: str(mark.with_earlier(read_mark(table)))}
    try:
        clients.bigquery.update_table(noted, ["labels"], **clients.repeating)
    except (Forbidden, PreconditionFailed):
        return
