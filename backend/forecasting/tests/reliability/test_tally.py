"""The counts and the document: nothing is shown that was not counted."""

from pathlib import Path

import pytest
from execnet import dumps, loads

from backend.forecasting.tests.reliability.document import Ran, write_document
from backend.forecasting.tests.reliability.extent import chosen
from backend.forecasting.tests.reliability.tally import Tally, markdown_table
from backend.localcloud.http.faults import Kind


def _ran(*failed: str) -> Ran:
    return Ran(file="test_kills.py", tests=2, failed=failed, seconds=61.4)


def _counted(**counts: int) -> Tally:
    counted = Tally()
    for outcome, count in counts.items():
        counted.add("Kills", outcome, count)
    return counted


def test_table__has_the_columns_that_were_counted_and_no_others() -> None:
    counted = _counted(leaks=0, survived=3, points=3, kicks=1)
    assert markdown_table(counted.suites["Kills"]).splitlines() == [
        "|  | points | survived | leaks | kicks |",
        "| :-- | --: | --: | --: | --: |",
        "|  | 3 | 3 | 0 | 1 |",
    ]


def test_tally__takes_in_what_another_process_counted() -> None:
    mine, theirs = _counted(points=1), _counted(points=2, hangs=0)
    theirs.note("Kills", "as they say")
    mine.take_in(theirs.counted())
    assert list(mine.lines()) == ["Kills: 3 points, 0 hangs"]
    assert mine.suites["Kills"].notes == ["as they say"]


def test_tally__goes_from_process_to_process_as_plain_values() -> None:
    mine, theirs = Tally(), Tally()
    theirs.add("Matrix", "cells", row=Kind.HANG)
    mine.take_in(loads(dumps(theirs.counted())))
    assert mine.suites["Matrix"].rows == {"hang": {"cells": 1}}


def test_table__adds_its_rows_up() -> None:
    counted = Tally()
    counted.add("Kills", "points", 1200, row="bq_setup")
    counted.add("Kills", "points", row="bq_verify")
    counted.add("Kills", "hangs", 0, row="bq_verify")
    assert markdown_table(counted.suites["Kills"]).splitlines()[2:] == [
        "| bq_setup | 1,200 |  |",
        "| bq_verify | 1 | 0 |",
        "| **all** | 1,201 | 0 |",
    ]


def test_tally__has_a_line_for_each_suite() -> None:
    counted = _counted(points=2, losses=0)
    counted.add("Soak", "nights", 20)
    assert list(counted.lines()) == ["Kills: 2 points, 0 losses", "Soak: 20 nights"]


def test_document__says_that_all_passed() -> None:
    text = write_document(_counted(points=2, hangs=0), [_ran()])
    assert "All tests passed: 0 hangs, 0 duplicates, 0 losses, 0 leaks, 0 tracebacks." in text
    assert "| test_kills.py | 2 | 0 | 61 |" in text


def test_document__shows_what_was_found() -> None:
    text = write_document(_counted(points=2, duplicates=1), [_ran("test_kills.py::test_it")])
    assert "**Not all is well**: 0 hangs, 1 duplicates" in text
    assert "- Kills: 1 duplicates\n- failed: `test_kills.py::test_it`" in text


def test_document__notes_stand_above_their_table_once() -> None:
    counted = _counted(points=2)
    for _ in range(2):
        counted.note("Kills", "With -9.")
    assert "## Kills\n\nWith -9.\n\n|  | points |" in write_document(counted, [])


def test_judge__counts_every_fault_and_no_outcome_beside_one() -> None:
    counted = Tally()
    counted.judge("Kills", "points", [], outcome="clearly failed")
    counted.judge("Kills", "points", [("losses", "a row"), ("losses", "another")])
    assert counted.suites["Kills"].total == {
        "points": 2,
        "survived": 0,
        "clearly failed": 1,
        "hangs": 0,
        "duplicates": 0,
        "losses": 2,
        "leaks": 0,
        "tracebacks": 0,
    }


@pytest.mark.parametrize("count", [1, 2, 10, 20])
def test_chosen__is_one_even_and_one_odd_in_two_turns(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(request.config.option, "reliability", None)
    numbers = [*chosen(request.config, count), *chosen(request.config, count, 1)]
    assert len(numbers) == 2
    assert set(numbers) <= set(range(count))
    assert {number % 2 for number in numbers} == ({0} if count == 1 else {0, 1})


def test_chosen__is_everything_for_the_document(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request.config.option, "reliability", Path("counts.md"))
    assert chosen(request.config, 20, 1) == list(range(20))
