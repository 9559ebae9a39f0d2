"""Others who make the same scheduled query at the same time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

import pytest
from google.api_core.exceptions import Conflict
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from backend.forecasting.conf import Config
from backend.forecasting.google.retrying import LIST_LOOKS
from backend.forecasting.google.waiting import TIMEOUT, GivenUpError
from backend.forecasting.provisioning.rivals import find_rival, observe_settled
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.sql.queries import load_name
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.factories import TRANSFER_NAME, Google, make_transfer

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
OURS, ELDER, YOUNGER, OLD, OLDER = "ours", "elder", "younger", "old", "older"
MADE = {
    OURS: NOW,
    ELDER: NOW - timedelta(seconds=1),
    YOUNGER: NOW + timedelta(seconds=1),
    OLD: NOW - timedelta(minutes=2),
    OLDER: NOW - timedelta(minutes=3),
}


def made(config: Config, name: str) -> TransferConfig:
    return make_transfer(config, name=f"{TRANSFER_NAME}-{name}", update_time=MADE[name])


@pytest.fixture
def settled(google: Google, monkeypatch: pytest.MonkeyPatch) -> Google:
    monkeypatch.setattr(google.clock, "now", lambda: NOW)
    return google


def answer(google: Google, config: Config, *lists: tuple[str, ...]) -> None:
    """Each list in its turn, and the last of them from then on."""
    turns: Iterator[tuple[str, ...]] = chain(lists, repeat(lists[-1]))
    google.transfers.list_transfer_configs.side_effect = lambda *_, **__: [
        made(config, name) for name in next(turns)
    ]


@pytest.mark.parametrize(
    ("lists", "rival", "looks", "seconds"),
    [
        ([(OURS,)], None, LIST_LOOKS, 0),
        ([(OURS, ELDER)], ELDER, 1, 0),
        ([(OURS,), (OURS,), (OURS, ELDER)], ELDER, 3, 0),
        ([(OURS, YOUNGER), (OURS,)], None, 2, 0.2),
        ([(OURS, YOUNGER)], YOUNGER, None, 4),
        ([(OURS, YOUNGER, ELDER)], ELDER, 1, 0),
        ([(YOUNGER,)], YOUNGER, None, 4),
    ],
)
def test_rival__is_one_that_came_before_or_stays(
    settled: Google,
    config: Config,
    fast_clock: FastClock,
    lists: list[tuple[str, ...]],
    rival: str | None,
    looks: int | None,
    seconds: float,
) -> None:
    answer(settled, config, *lists)
    name = load_name(config.table_id)
    found = find_rival(settled, config.parent, name, made(config, OURS))
    assert found == (made(config, rival) if rival else None)
    if looks is not None:
        assert settled.transfers.list_transfer_configs.call_count == looks
    assert fast_clock.ahead == pytest.approx(seconds)


def test_create__beside_an_elder_is_taken_back(
    settled: Google, config: Config, fast_clock: FastClock
) -> None:
    spec, created = ScheduledQuerySpec.from_config(config), made(config, OURS)
    answer(settled, config, (OURS, ELDER))
    settled.transfers.create_transfer_config.return_value = created
    with pytest.raises(Conflict) as raised:
        spec.create(settled)
    elder = made(config, ELDER).name
    assert raised.value.message == f"scheduled query {elder} was created at the same time"
    (call,) = settled.transfers.delete_transfer_config.call_args_list
    assert (call.kwargs["name"], call.kwargs["timeout"]) == (created.name, TIMEOUT)
    assert call.kwargs["retry"]


@pytest.mark.parametrize(
    ("lists", "found", "seconds"),
    [
        ([(OURS,)], (OURS,), 0),
        ([(OLDER, OLD)], (OLDER, OLD), 0),
        ([(OLD, OURS)], (OLD, OURS), 10),
        ([(OLD, OURS), (OLD,)], (OLD,), 0.2),
    ],
)
def test_several__are_waited_for_while_one_is_new(
    settled: Google,
    config: Config,
    fast_clock: FastClock,
    lists: list[tuple[str, ...]],
    found: tuple[str, ...],
    seconds: float,
) -> None:
    answer(settled, config, *lists)
    name = load_name(config.table_id)
    seen = observe_settled(settled, config.parent, name)
    assert seen == tuple(made(config, each) for each in found)
    assert fast_clock.ahead == pytest.approx(seconds)


def test_several__are_waited_for_no_longer_than_is_left(
    settled: Google, config: Config, fast_clock: FastClock
) -> None:
    answer(settled, config, (OLD, OURS))
    settled.deadline.start(3)
    with pytest.raises(GivenUpError):
        observe_settled(settled, config.parent, load_name(config.table_id))
    assert fast_clock.ahead == pytest.approx(3)
