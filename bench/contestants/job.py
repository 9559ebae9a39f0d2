"""What a contestant is told to do, and what it reports."""

from dataclasses import dataclass, field
from pathlib import Path

from bench.data import Window, windowed

# Views of the queries below, for the contestants that read only tables and views.
SOURCE_VIEW, MENTIONS_VIEW, EVENTS_VIEW = "source_query", "window_mentions", "window_events"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Where to read, which days, and which DuckDB file to fill with the table `training`.

    `aggregate` is the product's own source query: a contestant's process does without Django.
    """

    uri: str = field(repr=False)
    window: Window
    target: Path
    aggregate: str

    @property
    def mentions(self) -> str:
        return windowed(MENTIONS_VIEW, self.window)

    @property
    def events(self) -> str:
        return windowed(EVENTS_VIEW, self.window)
