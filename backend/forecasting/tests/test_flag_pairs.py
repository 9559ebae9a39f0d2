"""Every two flags of a command: each does what it does alone, or the two are refused, or told of.

Those that say what `bq_setup_etl` is to do are in test_manners.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from pytest_django import Settings

from backend.forecasting.conf import Config
from backend.forecasting.management.commands.bq_setup_etl import Command
from backend.forecasting.tests.support.commands import Result, Run, without_table
from backend.forecasting.tests.support.factories import Google
from backend.forecasting.tests.support.snapshots import BASELINE, make_snapshot
from backend.forecasting.verification.snapshot import Snapshot

pytestmark = pytest.mark.django_db

Effect = Callable[[Result], bool]
"""Whether what a flag is for was done."""


def lost(run: Callable[[str, str], Result], flags: dict[str, Effect], refused: Any) -> list[Any]:
    """The pairs of which one has no effect, or that are refused, or are not, without being told."""
    found = []
    for pair in combinations(flags, 2):
        if pair[0].split()[0] == pair[1].split()[0]:
            continue  # The last one counts.
        result = run(*pair)
        if pair in refused:
            done = result.status == 1 and refused[pair] in result.error
        else:
            done = all(flags[each](result) for each in pair)
        if not done:
            found.append((pair, result))
    return found


def is_document(result: Result) -> bool:
    return isinstance(json.loads(result.out), dict)


def test_pairs__of_bq_setup(run: Run, provisioned: Google) -> None:
    bigquery, quiet = provisioned.bigquery, [False]

    def call(*pair: str) -> Result:
        bigquery.reset_mock()
        quiet[:] = ["--verbosity 0" in pair]
        return run("bq_setup", *" ".join(pair).split())

    def looks_at(name: str) -> Effect:
        asked = (bigquery.get_dataset, bigquery.get_table)
        return lambda _: any(name in str(each.call_args_list) for each in asked)

    def shows(flag: str, words: str) -> Effect:
        """In the views; else it is told that there are none, but for who wants to hear nothing."""

        def look(result: Result) -> bool:
            made = [call.args[0].view_query for call in bigquery.create_table.call_args_list]
            queries = [query for query in made if query]
            told = re.search(rf"no effect of [^:]*{flag}\b", result.err)
            return all(words in query for query in queries) if queries else bool(told) or quiet[0]

        return look

    without_table(provisioned)
    flags: dict[str, Effect] = {
        "--dry-run": lambda result: not provisioned.writes and result.status == 0,
        "--check": lambda result: not provisioned.writes and result.status == 2,
        "--format json": is_document,
        "--verbosity 0": lambda result: "Plan:" not in f"{result.out}{result.err}",
        "--dataset other": looks_at(".other"),
        "--table mine": looks_at(".mine"),
        "--horizon-days 9": looks_at("_forecast"),
        "--window-days 30": shows("--window-days", "INTERVAL 30 DAY"),
        "--keep-history": shows("--keep-history", "mentioned_at < TIMESTAMP("),
    }
    refused = {("--dry-run", "--check"): "not allowed with"}
    assert lost(call, flags, refused) == []
    assert bigquery.get_table.called


@pytest.fixture
def asked() -> dict[str, Any]:
    """What was to be looked at."""
    return {}


@pytest.fixture
def verified(
    run: Run,
    asked: dict[str, Any],
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> Run:
    """Calls bq_verify where all is well but for a warning, with a horizon."""
    settings.FORECASTING_HORIZON_DAYS = "9"

    def take(*_: Any, **options: Any) -> Snapshot:
        asked.update(options)
        baseline = BASELINE if options["baseline"] else None
        wanted = {"reconcile": options["reconcile"], "baseline_asked": options["baseline"]}
        return make_snapshot(replace(config, score_source="entity"), baseline=baseline, **wanted)

    monkeypatch.setattr("backend.forecasting.verification.verify.take_snapshot", take)
    page = Mock(return_value=("<!doctype html>", ""))
    monkeypatch.setattr("backend.forecasting.output.report.render_report", page)
    return lambda *pair: run("bq_verify", *" ".join(pair).split())


def test_pairs__of_bq_verify(verified: Run, asked: dict[str, Any], tmp_path: Path) -> None:
    page, spec = tmp_path / "page", tmp_path / "spec"

    def seen(option: str, words: str) -> Effect:
        """Looked at, and told but to who wants to hear of failures alone."""
        return lambda result: asked[option] and (words in str(result) or "pass " not in str(result))

    def written(path: Path, start: str) -> Effect:
        def look(_: Result) -> bool:
            text = path.read_text() if path.exists() else ""
            path.unlink(missing_ok=True)
            return text.startswith(start)

        return look

    flags: dict[str, Effect] = {
        "--strict": lambda result: result.status == 2,
        "--reconcile": seen("reconcile", "source.reconciled"),
        "--baseline": seen("baseline", "MASE"),
        f"--report {page}": written(page, "<!doctype"),
        "--report -": lambda result: result.out.startswith("<!doctype"),
        f"--training-spec {spec}": written(spec, "{"),
        "--training-spec -": is_document,
        "--format json": is_document,
        "--verbosity 0": lambda result: "pass " not in f"{result.out}{result.err}",
    }
    taken = "and standard output is taken"
    refused = {
        ("--report -", "--training-spec -"): taken,
        ("--report -", "--format json"): taken,
        ("--training-spec -", "--format json"): taken,
    }
    assert lost(verified, flags, refused) == []


def test_flags__window_of_views_that_show_the_whole_table_is_idle(
    run: Run, provisioned: Google
) -> None:
    without_table(provisioned)
    flags = ["--horizon-days", "9", "--window-days", "30"]
    assert run("bq_setup", *flags).err == ""
    idle = "no effect of --window-days: the views show the whole table where history is kept"
    assert idle in run("bq_setup", *flags, "--keep-history").err


def test_flags__that_are_idle_are_told_as_they_were_given(run: Run, provisioned: Google) -> None:
    without_table(provisioned)
    said = run("bq_setup", "--window-days", "30", "--no-keep-history").err
    assert "no effect of --window-days and --no-keep-history: " in said


SETTING_FLAGS = {
    "--location": "us",
    "--dataset": "other",
    "--table": "mine",
    "--connection-id": "another",
    "--database": "news",
    "--schedule": "every day 03:00",
    "--window-days": "30",
    "--refresh-days": "7",
    "--keep-history": "",
    "--min-rows-ratio": "0.25",
    "--score-source": "entity",
    "--service-account": "loader@demo-project.iam.gserviceaccount.com",
    "--notification-topic": "projects/demo-project/topics/loads",
}


@pytest.mark.parametrize("prints", ["--print-sql", "--print-role-sql"])
def test_pairs__of_what_is_printed(run: Run, no_clients: Mock, prints: str) -> None:
    """Where a script would be stored, and for whom, is no news to who prints it."""
    plain = run("bq_setup_etl", prints)
    assert (plain.status, plain.err) == (0, "")
    idle = []
    for flag, value in SETTING_FLAGS.items():
        result = run("bq_setup_etl", prints, flag, *([value] if value else []))
        told = f"no effect of {flag} on what {prints} prints" in result.err
        assert result.status == 0
        assert (result.out != plain.out) is not told, flag
        idle += [flag] if told else []
    assert len(SETTING_FLAGS) == len(Command.setting_fields) - len(["project", "instance"])
    assert len(idle) == {"--print-sql": 4, "--print-role-sql": 11}[prints]
