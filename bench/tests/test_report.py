"""What is written follows from the numbers alone."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.factories import make_config
from bench.commands import BQ_SHOW
from bench.comparisons import (
    COUNT,
    FIRST_SHAPE,
    OUR_QUERY,
    REFRESH,
    WINDOW,
    WITHOUT_DIMENSIONS,
    Race,
    Stage,
    race_days,
)
from bench.contestants.registry import OURS
from bench.data import Contents, Sizes
from bench.database import Machine
from bench.measuring import Sample
from bench.night_cost import MIB, night
from bench.report import draw_history, put_measured, put_plans, write_report
from bench.results import Results, check_claims
from bench.sections import start_up
from bench.tables import COLUMNS

_MACHINE = Machine(
    day=date(2026, 3, 10),
    cores=2,
    memory_bytes=24 * 2**30,
    system="Linux x86_64",
    postgres="18.6",
    python="3.11.7",
    settings={"work_mem": "4MB"},
    load=0.2,
)


def take(
    seconds: float,
    *,
    rows: int = 100,
    size: int = 1000,
    peak: int = 20_000_000,
    server_seconds: float = 0.0,
) -> Sample:
    return Sample(
        seconds=seconds, rows=rows, bytes=size, peak_bytes=peak, server_seconds=server_seconds
    )


def make_stage(factor: int, refresh: float) -> Stage:
    return Stage(
        days=90 * factor,
        mentions=1000 * factor,
        rounds={REFRESH: [take(refresh)] * 3, WINDOW: [take(2.0)] * 3},
        everything=take(2.0 * factor),
        server_peak=12_000_000,
    )


@pytest.fixture
def results() -> Results:
    """A run in which all holds."""
    shapes = {
        OUR_QUERY: [take(2.0)] * 3,
        FIRST_SHAPE: [take(2.5, rows=500, size=8000)] * 3,
        COUNT: [take(0.1)] * 3,
        WITHOUT_DIMENSIONS: [take(1.0)] * 3,
    }
    stages = [make_stage(1, 0.2), make_stage(10, 0.21)]
    rounds = {OURS: [take(3.0)] * 3, "adbc-mentions": [take(1.5, peak=400_000_000)] * 3}
    return Results(
        machine=_MACHINE,
        sizes=Sizes(end_day=date(2026, 3, 10), mentions=1000, entities=10),
        repetitions=3,
        contents=Contents(
            entities=10, events=200, mentions=1000, entity_days=200, json_bytes=190.0
        ),
        shapes=shapes,
        race=Race(rounds=rounds, skipped={"dlt-cx-mentions": "package dlt is not installed"}),
        stages=stages,
        runs={90: [take(4.0)] * 3},
        start_up={
            "bq_setup": [take(2.0, server_seconds=0.8)] * 3,
            BQ_SHOW: [take(2.0, server_seconds=1.6)] * 3,
        },
        claims=check_claims(shapes, stages),
        plans={},
    )


def test_claims__hold_where_the_numbers_say_so(results: Results) -> None:
    assert [claim.holds for claim in results.claims] == [True] * 6
    assert "All hold." in write_report(results)


def test_claims__fail_where_the_numbers_say_so(results: Results) -> None:
    shapes = {**results.shapes, OUR_QUERY: [take(2.6, size=2000)] * 3}
    claims = check_claims(shapes, [make_stage(1, 0.3), make_stage(10, 0.4)])
    assert [claim.holds for claim in claims] == [False, False, False, False, True, True]
    assert "4 of 6 do not hold." in write_report(replace(results, claims=claims))


def test_claims__look_at_every_length_of_history(results: Results) -> None:
    stages = [make_stage(1, 0.2), make_stage(5, 0.3), make_stage(10, 0.2)]
    refresh = check_claims(results.shapes, stages)[3]
    assert not refresh.holds
    assert refresh.observed == pytest.approx(1.5)


def make_measured_stage(factor: int, refresh: float) -> Stage:
    """A stage whose times say nothing, and whose processor times were taken."""
    stage = make_stage(factor, 5.0)
    rounds = {
        REFRESH: [take(5.0, server_seconds=refresh)] * 3,
        WINDOW: [take(2.0, server_seconds=4.0)] * 3,
    }
    return replace(stage, rounds=rounds)


@pytest.mark.parametrize(("refresh", "holds"), [((0.4, 0.44), True), ((0.6, 0.8), False)])
def test_claims__go_by_processor_time_where_it_was_taken(
    results: Results, refresh: tuple[float, float], holds: bool
) -> None:
    stages = [make_measured_stage(1, refresh[0]), make_measured_stage(10, refresh[1])]
    claims = check_claims(results.shapes, stages)[2:4]
    assert [claim.holds for claim in claims] == [holds, holds]
    assert all("processor time" in claim.text for claim in claims)
    text = write_report(replace(results, stages=stages, claims=claims))
    ratio = f"{refresh[0] / 4:.2f}"
    assert f"| 4.00 (4.00-4.00) | {ratio} ({ratio}-{ratio}) |" in text


def test_report__has_ratios_of_the_given_numbers(results: Results) -> None:
    text = write_report(results)
    assert "| first shape | 2.50 (2.50-2.50) | 1.25 (1.25-1.25) |" in text
    assert "5.0 mentions for each entity and day" in text


def test_report__has_its_paragraphs_in_lines(results: Results) -> None:
    text = write_report(results)
    prose = [line for line in text.splitlines() if not line.startswith(("|", "!"))]
    assert len(prose) > 20
    assert max(map(len, prose)) <= COLUMNS
    assert "\nmake bench\nmake bench ARGS" in text


def test_report__says_who_was_quicker_and_who_was_skipped(results: Results) -> None:
    text = write_report(results)
    assert "The rows of the last 90 days, 3 runs of each: the same table" in text
    assert "Quicker than ours, as times as long: ADBC with mentions and events (0.50)." in text
    assert "(dlt-cx-mentions): package dlt is not installed" in text


@pytest.mark.parametrize(("mentions", "days"), [(1_000_000, 90), (2_000_000, 45), (10**9, 1)])
def test_race__is_over_as_many_days_as_take_seconds(mentions: int, days: int) -> None:
    assert race_days(Sizes(end_day=date(2026, 3, 10), mentions=mentions)) == days


def test_report__does_not_claim_that_others_were_quicker(results: Results) -> None:
    race = Race(rounds={OURS: [take(3.0)] * 3, "adbc-mentions": [take(3.5)] * 3}, skipped={})
    text = write_report(replace(results, race=race))
    assert "Nothing else was quicker." in text
    assert "Skipped" not in text


def test_start_up__is_held_against_googles_tool_where_that_is_there(results: Results) -> None:
    ours = results.start_up["bq_setup"]
    assert "| `bq_setup` | 0.800 (0.800-0.800) | 0.50 (0.50-0.50) |" in write_report(results)
    assert "| `bq_setup` | 0.800 (0.800-0.800) | not measured |" in start_up({"bq_setup": ours})


def test_night__is_billed_by_its_rows_and_never_below_the_least_of_each_query() -> None:
    small, large = night(100, 90, 90), night(10_000_000, 90, 90)
    assert {statement.billed for statement in small} == {10 * MIB, 20 * MIB}
    replaced, (nothing, staged) = large[-1], large[:2]
    assert (nothing.read, nothing.billed) == (0, 10 * MIB)
    assert staged.read == 10_000_000 * (38 + 6 * 8)
    assert staged.read <= staged.billed < staged.read + MIB
    assert replaced.read == 2 * staged.read


def test_night__has_the_queries_of_the_script() -> None:
    script = render_nightly_load(make_config())
    asked = re.findall(r"^(?:IF NOT EXISTS|EXECUTE|    ASSERT|ASSERT|MERGE)", script, re.MULTILINE)
    assert len(asked) == len(night(100, 90, 7))


def test_history__is_drawn_with_titles_and_units(results: Results, tmp_path: Path) -> None:
    draw_history(results.stages, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text("utf-8")
    assert drawn.startswith("<svg")
    assert "history in PostgreSQL (days)" in drawn
    assert "source query (seconds" in drawn


def test_measured__replaces_what_is_between_its_marks_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    put_measured(document, "new")
    document.write_text(f"# Title\n\n{document.read_text('utf-8')}\n## Why\n", "utf-8")
    put_measured(document, "newer")
    assert document.read_text("utf-8") == (
        "# Title\n\n<!-- measured -->\n\nnewer\n\n<!-- end of measured -->\n\n## Why\n"
    )


def test_plans__replace_what_is_between_their_marks(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("a\n<!-- plan: window -->\nold\n<!-- end of plan -->\nb\n", "utf-8")
    put_plans(document, {"window": "Seq Scan"})
    expected = "a\n<!-- plan: window -->\n```text\nSeq Scan\n```\n<!-- end of plan -->\nb\n"
    assert document.read_text("utf-8") == expected
