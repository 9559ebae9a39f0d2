"""The pipeline as the status page shows it: all that it asks of Google, as values.

A look costs a few requests and a few small queries. It is remembered for FRESH_SECONDS, so that a
page that many open costs what one costs, and answers at once.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from django.core.cache import cache
from google.cloud.bigquery_datatransfer_v1.types import TransferRun

from ..conf import Config, load_config
from ..database.lock import provisioning_lock
from ..errors import ForecastingError, MissingPrerequisiteError
from ..google.causes import likely_cause
from ..google.clients import Clients, make_clients
from ..google.errors import reading
from ..loading.runs import UNDER_WAY, observe_run, result_of, start_or_adopt_run, state_of
from ..output.page import Charts, Page, make_page
from ..output.report_data import ReportData, read_report_data
from ..output.text import describe_run
from ..provisioning.scheduled_queries import observe_scheduled_queries
from ..sql.queries import load_name
from ..verification.snapshot import Unseen
from ..verification.verify import verify
from .remembered import KEPT_SECONDS, Patience, Remembered, Seen, run_within

FRESH_SECONDS = 60
RUN_FRESH_SECONDS = 2

PATIENCE = Patience(recent=0.7, recent_seconds=600, without=5.0)
"""Figures of the last ten minutes are shown rather than waited for; older ones are not."""

START_PATIENCE = 10.0

_KEYS = "forecasting.status.3"
"""The number goes up when what is remembered changes its form: a cache may outlive a release."""

_WATCHED = f"{_KEYS}.watched"
_WATCHED_SECONDS = 24 * 3600
_ENDED_SECONDS = 600
"""How long the end of a run that was watched stays on the page."""


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """A run that is watched; `seconds` since its start, `message` and `cause` of its failure."""

    name: str
    state: str
    under_way: bool
    sentence: str
    seconds: int | None = None
    message: str = ""
    cause: str = ""


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """The run that was started, or was under way and `adopted`; or why there is none."""

    name: str = ""
    adopted: bool = False
    problem: str = ""


def see_pipeline() -> Seen[Page]:
    """The pipeline as it was at most a minute ago, or as it was when Google last answered."""
    return _PIPELINE.see(PATIENCE)


def see_run() -> Seen[RunStatus]:
    """The run that is under way or has just ended; no value where there is none."""
    if not cache.get(_WATCHED):
        return Seen()
    seen = _RUN.recall()
    if seen.value and not seen.value.under_way:
        return seen
    return _RUN.see(PATIENCE)


def start_run() -> StartedRun:
    """Start a run, or adopt the one under way, and watch it."""
    began: list[StartedRun] = []
    run_within(START_PATIENCE, lambda: began.append(_start()))
    if began:
        return began[0]
    return StartedRun(
        problem=f"Google has not answered for {START_PATIENCE:.0f} seconds. Look here again before "
        "you start another run: this one may have begun."
    )


def _start() -> StartedRun:
    try:
        config = load_config()
        clients = make_clients(config)
        name = _scheduled_query(config, clients)
        with provisioning_lock(config, START_PATIENCE):
            run, adopted = start_or_adopt_run(clients, name)
    except ForecastingError as error:
        return StartedRun(problem=str(error))
    _watch(run.name)
    return StartedRun(name=run.name, adopted=adopted)


def _scheduled_query(config: Config, clients: Clients) -> str:
    with reading("Looking at the scheduled queries", clients):
        found = observe_scheduled_queries(clients, config.parent, load_name(config.table_id))
    if not found:
        raise MissingPrerequisiteError(
            "There is no scheduled query to run: run `python manage.py bq_setup_etl`."
        )
    return found[0].name


def _watch(name: str) -> None:
    """Follow this run, unless it is followed already."""
    if cache.get(_WATCHED) != name:
        cache.delete(_RUN.key)
        cache.set(_WATCHED, name, _WATCHED_SECONDS)


def _look_at_pipeline() -> Page:
    config = load_config()
    clients = make_clients(config)
    result = verify(config, clients, datetime.now(UTC), strict=False, show_baseline=True)
    _watch_any(result.snapshot.runs)
    return make_page(result, read_report_data(result.snapshot, clients), _draw_once)


def _watch_any(runs: Iterable[TransferRun] | Unseen) -> None:
    """Follow a run that somebody else, or the schedule, has started."""
    if isinstance(runs, Unseen):
        return
    under_way = next((run for run in runs if run.state in UNDER_WAY), None)
    if under_way is not None:
        _watch(under_way.name)


def _draw_once(data: ReportData) -> Charts:
    """The charts of these figures: to draw them takes a second, and they change once a night."""
    digest = hashlib.sha256(repr(data).encode()).hexdigest()
    key = f"{_KEYS}.charts.{digest}"
    charts: Charts | None = cache.get(key)
    if charts is None:
        from ..output.charts import draw_overview

        charts = draw_overview(data)
        cache.set(key, charts, KEPT_SECONDS)
    return charts


def _look_at_run() -> RunStatus:
    name = str(cache.get(_WATCHED) or "")
    config = load_config()
    clients = make_clients(config)
    run = observe_run(clients, name)
    if run.state in UNDER_WAY:
        return _progress_of(run)
    result = result_of(clients, config, run)
    cache.set(_WATCHED, name, _ENDED_SECONDS)
    _PIPELINE.outdate()
    return RunStatus(
        name=name,
        state=result.state,
        under_way=False,
        sentence=describe_run(result),
        message=result.error,
        cause=likely_cause(result.error),
    )


def _progress_of(run: TransferRun) -> RunStatus:
    state, seconds = state_of(run), None
    if "start_time" in run:
        since = datetime.now(UTC) - cast(datetime, run.start_time)
        seconds = max(round(since.total_seconds()), 0)
    sentence = f"The run is {state.lower()}."
    return RunStatus(name=run.name, state=state, under_way=True, sentence=sentence, seconds=seconds)


_PIPELINE: Remembered[Page] = Remembered(
    key=f"{_KEYS}.pipeline", look=_look_at_pipeline, fresh_seconds=FRESH_SECONDS
)
_RUN: Remembered[RunStatus] = Remembered(
    key=f"{_KEYS}.run", look=_look_at_run, fresh_seconds=RUN_FRESH_SECONDS
)
