"""The pipeline as the status page shows it: all that it asks of Google, as values.

A look costs a few requests and a few small queries. It is remembered for FRESH_SECONDS, so that a
page that many open costs what one costs, and answers at once. Whether a run is under way is asked
on every view, by two small requests: another process, or the schedule, may have started one.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from django.core.cache import cache
from google.cloud.bigquery_datatransfer_v1.types import TransferRun

from ..conf import Config, load_config
from ..database.lock import provisioning_lock
from ..errors import ForecastingError, MissingPrerequisiteError
from ..google.causes import likely_cause
from ..google.clients import Clients, make_clients
from ..google.errors import reading
from ..loading.runs import ENDED, list_runs, result_of, start_or_adopt_run, state_of
from ..output.page import Charts, Page, make_page
from ..output.report_data import ReportData, read_report_data
from ..output.text import describe_run
from ..provisioning.transfer_configs import observe_scheduled_queries
from ..sql.queries import load_name
from ..verification.verify import verify
from .remembered import KEPT_SECONDS, Patience, Remembered, Seen, run_within

FRESH_SECONDS = 60
RUN_FRESH_SECONDS = 2

PATIENCE = Patience(recent=0.7, recent_seconds=600, without=5.0)
"""Figures of the last ten minutes are shown rather than waited for; older ones are not."""

START_PATIENCE = 10.0

_KEYS = "forecasting.status.5"
"""The number goes up when what is remembered changes its form: a cache may outlive a release."""

_ENDED = timedelta(minutes=10)
"""For so long after its end a run is on the page."""

_NOT_UNDER_WAY = "No run is under way."


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """The run under way, or the one that has just ended, or in `sentence` alone that there is none.

    `seconds` since its start, `message` and `cause` of its failure.
    """

    name: str = ""
    state: str = ""
    under_way: bool = False
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


def see_pipeline(run: RunStatus | None = None) -> Seen[Page]:
    """The pipeline as it was at most a minute ago, or as it was when Google last answered.

    Never as it was before the end of `run`, but for want of an answer.
    """
    page = _PIPELINE.recall().value
    if run and page and run.name and not run.under_way and run.name not in page.ended_runs:
        _PIPELINE.outdate()
    return _PIPELINE.see(PATIENCE)


def see_run() -> Seen[RunStatus]:
    """What goes on; no value where Google has not said it now.

    A run that was seen under way is believed to be so for RUN_FRESH_SECONDS. Everything else is
    asked each time: by now one may be under way.
    """
    known = _RUN.recall().value
    if known and not known.under_way:
        _RUN.outdate()
    seen = _RUN.see(PATIENCE)
    if (seen.looking or seen.problem) and seen.value and not seen.value.under_way:
        return replace(seen, value=None)
    return seen


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
    _RUN.outdate()
    return StartedRun(name=run.name, adopted=adopted)


def _scheduled_query(config: Config, clients: Clients) -> str:
    with reading("Looking at the scheduled queries", clients):
        found = observe_scheduled_queries(clients, config.parent, load_name(config.table_id))
    if not found:
        raise MissingPrerequisiteError(
            "There is no scheduled query to run: run `python manage.py bq_setup_etl`."
        )
    return found[0].name


def _look_at_pipeline() -> Page:
    config = load_config()
    clients = make_clients(config)
    result = verify(config, clients, strict=False, show_baseline=True)
    return make_page(result, read_report_data(result.snapshot, clients), _draw_once)


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
    config = load_config()
    clients = make_clients(config)
    try:
        name = _scheduled_query(config, clients)
    except MissingPrerequisiteError:
        return RunStatus(sentence="No run is under way: there is no scheduled query.")
    with reading("Looking at the runs", clients):
        runs = list_runs(clients, name)
    under_way = next((run for run in runs if run.state not in ENDED), None)
    if under_way is not None:
        return _progress_of(under_way, clients)
    if runs and _has_just_ended(runs[0], clients):
        return _end_of(runs[0], config, clients)
    return RunStatus(sentence=_NOT_UNDER_WAY)


def _has_just_ended(run: TransferRun, clients: Clients) -> bool:
    # The stubs say Timestamp; proto-plus gives datetimes.
    return "end_time" in run and clients.now() - cast(datetime, run.end_time) < _ENDED


def _end_of(run: TransferRun, config: Config, clients: Clients) -> RunStatus:
    """How it ended; its rows are counted once."""
    key = f"{_KEYS}.end.{hashlib.sha256(run.name.encode()).hexdigest()}"
    known: RunStatus | None = cache.get(key)
    if known is not None:
        return known
    result = result_of(clients, config, run)
    ended = RunStatus(
        name=run.name,
        state=result.state,
        sentence=describe_run(result),
        message=result.error,
        cause=likely_cause(result.error),
    )
    cache.set(key, ended, KEPT_SECONDS)
    return ended


def _progress_of(run: TransferRun, clients: Clients) -> RunStatus:
    state, seconds = state_of(run), None
    if "start_time" in run:
        since = clients.now() - cast(datetime, run.start_time)
        seconds = max(round(since.total_seconds()), 0)
    sentence = f"The run is {state.lower()}."
    return RunStatus(name=run.name, state=state, under_way=True, sentence=sentence, seconds=seconds)


_PIPELINE: Remembered[Page] = Remembered(
    key=f"{_KEYS}.pipeline", look=_look_at_pipeline, fresh_seconds=FRESH_SECONDS
)
_RUN: Remembered[RunStatus] = Remembered(
    key=f"{_KEYS}.run", look=_look_at_run, fresh_seconds=RUN_FRESH_SECONDS
)
