import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import islice

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from backend.demo.history import History, HistoryError
from backend.demo.sample import SampleOptions, generate_history
from backend.demo.sample_names import AWKWARD_NAMES, name_entities
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event

OPTIONS = SampleOptions(last_day=date(2026, 3, 1))
WINDOW_START = datetime(2025, 12, 2, tzinfo=UTC)
TODAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def history() -> History:
    return generate_history(OPTIONS)


@pytest.fixture(scope="module")
def dimension_values(history: History) -> list[object]:
    documents = [event.risk_dimensions for event in history.events]
    return [value for item in documents if isinstance(item, dict) for value in item.values()]


def _rows(history: History) -> list[tuple[object, ...]]:
    return [(m.id, m.entity.name, m.event.risk_score, m.mentioned_at) for m in history.mentions]


def test_generate__same_options_give_the_same_rows(history: History) -> None:
    again = generate_history(OPTIONS)
    assert _rows(again) == _rows(history)
    assert [e.risk_dimensions for e in again.events] == [e.risk_dimensions for e in history.events]


def test_generate__another_seed_gives_other_rows() -> None:
    small = replace(OPTIONS, entities=5, days=5)
    assert _rows(generate_history(small)) != _rows(generate_history(replace(small, seed=21)))


def test_generate__keys_are_unique(history: History) -> None:
    for rows in (history.entities, history.events, history.mentions):
        assert len({row.pk for row in rows}) == len(rows)


def test_generate__popularity_has_a_long_tail(history: History) -> None:
    counts = sorted(Counter(m.entity.pk for m in history.mentions).values(), reverse=True)
    assert counts[0] > 50 * counts[len(counts) // 2]


def test_generate__weekends_are_quiet(history: History) -> None:
    by_weekday = Counter(event.occurred_at.weekday() for event in history.events)
    assert by_weekday[6] < 0.6 * by_weekday[1]


def test_generate__most_entities_have_days_without_mentions(history: History) -> None:
    days = Counter(pk for pk, _ in {(m.entity.pk, m.mentioned_at.date()) for m in history.mentions})
    assert sum(count < OPTIONS.days for count in days.values()) > 0.9 * OPTIONS.entities


def test_generate__an_event_mentions_an_entity_several_times_a_day(history: History) -> None:
    times = Counter((m.entity.pk, m.event.pk, m.mentioned_at.date()) for m in history.mentions)
    assert max(times.values()) > 2


def test_generate__an_event_mentions_none_or_several_entities(history: History) -> None:
    mentioned = {(m.entity.pk, m.event.pk) for m in history.mentions}
    counts = Counter(event for _, event in mentioned)
    assert set(counts.values()) >= {1, 2, 3}
    assert len(counts) < len(history.events)


@pytest.mark.parametrize(
    "moment",
    [
        WINDOW_START - timedelta(milliseconds=1),
        WINDOW_START,
        TODAY - timedelta(milliseconds=1),
        TODAY,
    ],
)
def test_generate__mentions_stand_on_the_edges_of_the_window(
    history: History, moment: datetime
) -> None:
    assert moment in {mention.mentioned_at for mention in history.mentions}


def test_generate__risk_jumps(history: History) -> None:
    subject = history.entities[0].pk
    days: dict[date, list[float]] = {}
    for mention in history.mentions:
        if mention.entity.pk == subject and mention.event.risk_score is not None:
            days.setdefault(mention.mentioned_at.date(), []).append(mention.event.risk_score)
    means = [sum(scores) / len(scores) for _, scores in sorted(days.items())]
    assert max(means) - min(means) > 10


@pytest.mark.parametrize(
    "is_kind",
    [
        lambda document: document is None,
        lambda document: document == {},
        lambda document: isinstance(document, list),
        lambda document: isinstance(document, str),
        lambda document: isinstance(document, dict) and "sanctions" not in document,
    ],
    ids=["null column", "empty", "list", "text", "missing key"],
)
def test_generate__has_every_kind_of_document(
    history: History, is_kind: Callable[[object], bool]
) -> None:
    assert any(is_kind(event.risk_dimensions) for event in history.events)


@pytest.mark.parametrize("kind", [float, dict, type(None), str])
def test_generate__has_every_kind_of_dimension(dimension_values: list[object], kind: type) -> None:
    assert any(type(value) is kind for value in dimension_values)


@pytest.mark.parametrize("value", ["7e1", "high", "", "1e999", True])
def test_generate__has_values_that_are_hard_to_read(
    dimension_values: list[object], value: object
) -> None:
    assert value in dimension_values


def test_generate__has_events_without_a_score(history: History) -> None:
    scores = [event.risk_score for event in history.events]
    assert 0 < scores.count(None) < 0.1 * len(scores)
    assert all(0 <= score <= 100 for score in scores if score is not None)


@pytest.mark.parametrize(("days", "entities"), [(0, 1), (1, 0), (1, -1), (9999, 1)])
def test_options__impossible_size_is_an_error(days: int, entities: int) -> None:
    with pytest.raises(HistoryError, match="a sample has 1 to 1000 days"):
        SampleOptions(last_day=date(2026, 3, 1), days=days, entities=entities)


def test_names__are_unique_and_fit() -> None:
    rng = random.Random(1)
    names = [name for name, _ in islice(name_entities(rng), 20_000)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) == 300
    assert set(AWKWARD_NAMES) < set(names[:40])


@pytest.mark.django_db
def test_load_sample__says_what_it_loaded() -> None:
    out = StringIO()
    call_command("load_sample", entities=4, days=3, stdout=out)
    expected = (
        f"Loaded 4 entities, {Event.objects.count()} events, "
        f"{EntityMention.objects.count()} mentions, up to "
    )
    assert out.getvalue().startswith(expected)


@pytest.mark.django_db
def test_load_sample__leaves_a_database_alone_that_holds_entities() -> None:
    Entity.objects.create(name="Real", entity_type=Entity.EntityType.COMPANY)
    with pytest.raises(CommandError, match=r"already holds entities or events.*--replace"):
        call_command("load_sample", entities=4, days=3)
    assert Entity.objects.get().name == "Real"


@pytest.mark.django_db
def test_load_sample__replaces_when_told_to() -> None:
    for _ in range(2):
        call_command("load_sample", entities=4, days=3, replace=True, stdout=StringIO())
    assert Entity.objects.count() == 4


@pytest.mark.django_db
def test_load_sample__without_tables_says_what_to_do() -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(EntityMention)
    with pytest.raises(CommandError, match=r"does not exist; .*manage\.py migrate"):
        call_command("load_sample", entities=4, days=3)


@pytest.mark.django_db
def test_load_sample__ends_yesterday() -> None:
    call_command("load_sample", entities=4, days=3, stdout=StringIO())
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert EntityMention.objects.filter(mentioned_at=today).exists()
    assert EntityMention.objects.filter(mentioned_at=today - timedelta(milliseconds=1)).exists()
    assert not EntityMention.objects.filter(mentioned_at__gte=today + timedelta(days=1)).exists()
