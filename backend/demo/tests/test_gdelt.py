import csv
import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from backend.demo.gdelt import read_events
from backend.demo.history import HistoryError
from backend.entities.models import Entity
from backend.events.models import Event

LAST_DAY = date(2026, 3, 1)
RECORD = {
    "event_id": "1",
    "event_date": "2020-01-01",
    "actor1": "CARACAS",
    "actor1_country": "VEN",
    "actor1_type": "GOV",
    "actor2": "COMPANY",
    "actor2_country": "",
    "root_code": "01",
    "quad_class": "1",
    "goldstein": "0.0",
    "tone": "0",
    "mentions": "3",
    "place": "Caracas, Venezuela",
    "source": "news.example",
}

WriteEvents = Callable[..., Path]


@pytest.fixture
def write_events(tmp_path: Path) -> WriteEvents:
    """Writes a file of one record for each dict of what differs from the usual one."""

    def write(*records: dict[str, str]) -> Path:
        path = tmp_path / "events.csv.gz"
        with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(RECORD))
            writer.writeheader()
            writer.writerows({**RECORD, **record} for record in records)
        return path

    return write


@pytest.fixture
def read_one(write_events: WriteEvents) -> Callable[..., Event]:
    def read(**record: str) -> Event:
        return read_events(write_events(record), last_day=LAST_DAY).events[0]

    return read


def test_read__dates_move_together_and_end_on_the_last_day(write_events: WriteEvents) -> None:
    path = write_events({"event_date": "2020-01-10"}, {"event_date": "2020-01-03"})
    moments = [event.occurred_at for event in read_events(path, last_day=LAST_DAY).events]
    assert moments == [datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 2, 22, 12, tzinfo=UTC)]


def test_read__each_named_actor_is_mentioned(write_events: WriteEvents) -> None:
    path = write_events({}, {"actor1": ""}, {"actor2": "CARACAS"}, {"actor1": "", "actor2": ""})
    history = read_events(path, last_day=LAST_DAY)
    assert [(m.event.pk, m.entity.name) for m in history.mentions] == [
        (history.events[0].pk, "CARACAS"),
        (history.events[0].pk, "COMPANY"),
        (history.events[1].pk, "COMPANY"),
        (history.events[2].pk, "CARACAS"),
        (history.events[2].pk, "CARACAS"),
    ]
    assert len(history.events) == 4


@pytest.mark.parametrize(
    ("kind", "country", "expected"),
    [
        ("GOV", "", "government"),
        ("JUD", "USA", "government"),
        ("", "IRN", "government"),
        ("BUS", "USA", "company"),
        ("EDU", "", "company"),
        ("CVL", "USA", "person"),
        ("", "", "person"),
    ],
)
def test_read__actor_types(
    write_events: WriteEvents, kind: str, country: str, expected: str
) -> None:
    path = write_events({"actor1_type": kind, "actor1_country": country})
    assert read_events(path, last_day=LAST_DAY).entities[0].entity_type == expected


def test_read__most_frequent_type_of_an_actor_wins(write_events: WriteEvents) -> None:
    path = write_events({"actor1_type": "CVL"}, {"actor1_type": "BUS"}, {"actor1_type": "BUS"})
    entities = read_events(path, last_day=LAST_DAY).entities
    assert [(entity.name, entity.entity_type) for entity in entities] == [
        ("CARACAS", "company"),
        ("COMPANY", "person"),
    ]


@pytest.mark.parametrize(
    ("goldstein", "tone", "score"),
    [
        ("0", "0", 50),
        ("-10", "-10", 100),
        ("10", "10", 0),
        ("-10", "0", 75),
        ("0", "-23.7", 75),
    ],
)
def test_read__score(
    read_one: Callable[..., Event], goldstein: str, tone: str, score: float
) -> None:
    assert read_one(goldstein=goldstein, tone=tone).risk_score == score


@pytest.mark.parametrize(
    ("root_code", "dimensions"),
    [
        ("01", {"political": 75}),
        ("16", {"sanctions": 75, "economic": 75}),
        ("19", {"supply_chain": 75}),
        ("99", {}),
    ],
)
def test_read__dimensions(
    read_one: Callable[..., Event], root_code: str, dimensions: dict[str, float]
) -> None:
    event = read_one(root_code=root_code, goldstein="-5", tone="8")
    assert event.risk_dimensions == dimensions


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"goldstein": "high"}, "line 3: goldstein is 'high', which is not a number"),
        ({"tone": "nan"}, "line 3: tone is 'nan', which is not a number"),
        ({"tone": ""}, "line 3: tone is '', which is not a number"),
        ({"event_date": "01/02/2026"}, "line 3: event_date is '01/02/2026', which is not a date"),
        ({"event_date": "0001-01-01"}, "line 3: event_date is '0001-01-01', which is not a date"),
        ({"actor2": "A\0B"}, "line 3: the row holds a NUL character"),
    ],
)
def test_read__malformed_row_is_named(
    write_events: WriteEvents, record: dict[str, str], message: str
) -> None:
    with pytest.raises(HistoryError, match=message):
        read_events(write_events({}, record), last_day=LAST_DAY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no records|line 1"),
        (b"a,b\n1,2\n", "line 1: the columns event_date, .* are missing"),
        (",".join(RECORD).encode() + b"\n", "holds no records"),
        (",".join(RECORD).encode() + b"\n1,2\n", "line 2: the row has more or fewer fields"),
        (b"\xff\xfe\n", "cannot be read as gzip-compressed CSV"),
    ],
    ids=["empty", "other columns", "header only", "short row", "not UTF-8"],
)
def test_read__other_content_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(HistoryError, match=message):
        read_events(path, last_day=LAST_DAY)


def test_read__truncated_file_is_refused(write_events: WriteEvents) -> None:
    path = write_events(*[{}] * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(HistoryError, match="cannot be read as gzip-compressed CSV"):
        read_events(path, last_day=LAST_DAY)


@pytest.mark.parametrize("name", ["missing.csv.gz", "."])
def test_read__no_such_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(HistoryError, match="cannot be read as gzip-compressed CSV"):
        read_events(tmp_path / name, last_day=LAST_DAY)


@pytest.mark.django_db
def test_load_sample__loads_records(write_events: WriteEvents) -> None:
    out = StringIO()
    call_command("load_sample", events=write_events({}, {}), stdout=out)
    assert out.getvalue().startswith("Loaded 2 entities, 2 events, 4 mentions, up to ")
    assert {entity.name for entity in Entity.objects.all()} == {"CARACAS", "COMPANY"}


@pytest.mark.django_db
def test_load_sample__malformed_file_leaves_the_database_empty(write_events: WriteEvents) -> None:
    with pytest.raises(CommandError, match="line 2: tone"):
        call_command("load_sample", events=write_events({"tone": "x"}))
    assert not Entity.objects.exists()


def test_read__real_records() -> None:
    path = settings.BASE_DIR.parent / "shared" / "data" / "gdelt-events.csv.gz"
    if not path.exists():
        pytest.skip(f"there are no real records at {path}")
    history = read_events(path, last_day=LAST_DAY)
    assert str(history) == "1257 entities, 10000 events, 15550 mentions"
