"""A made-up history with all that real ones have: rhythm, drift, jumps, gaps and dirt.

The same options give the same rows, keys included, on every machine.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, islice

from backend.demo.history import History, HistoryError
from backend.demo.sample_names import name_entities
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.training_table import DIMENSIONS

_SOURCES = ("gaceta.example", "radio-llanos.example", "puertos.example", "cable-sur.example")
_TOPICS = (
    "named in an inquiry into shipments",
    "signs a supply contract",
    "loses its licence",
    "denies reports of unpaid debt",
    "under review for sanctions relief",
    "announces a change of leadership",
    "closes a plant after a strike",
)
_DIMENSIONS = tuple(column.dimension for column in DIMENSIONS)
# Monday to Sunday: newsrooms are half empty at the weekend.
_WEEKLY_RHYTHM = (1.0, 1.1, 1.1, 1.05, 0.95, 0.55, 0.45)
_EVENTS_PER_ENTITY_AND_DAY = 0.45
# All of it is in memory at once.
_MOST_DAYS, _MOST_ENTITIES = 1000, 10_000
_LAST_INSTANT = timedelta(days=1) - timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """How much history, and up to which day; `last_day` is the last complete one."""

    last_day: date
    days: int = 120
    entities: int = 300
    seed: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.days <= _MOST_DAYS or not 1 <= self.entities <= _MOST_ENTITIES:
            raise HistoryError(
                f"a sample has 1 to {_MOST_DAYS} days and 1 to {_MOST_ENTITIES} entities, "
                f"not {self.days} days and {self.entities} entities"
            )

    @property
    def midnights(self) -> list[datetime]:
        """The start of every day in UTC, oldest first."""
        last = datetime.combine(self.last_day, time(), UTC)
        return [last - timedelta(days=age) for age in range(self.days - 1, -1, -1)]


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """An entity with its true risk on each day and its share of the news."""

    entity: Entity
    risk: list[float]
    popularity: float


def generate_history(options: SampleOptions) -> History:
    """The rows of a sample, with a few mentions on the day after the last one.

    That day is today when `last_day` is yesterday, and must never arrive in the training table.
    """
    rng = random.Random(options.seed)  # noqa: S311 - made-up news needs no secrecy
    subjects = list(islice(_make_subjects(rng, options), options.entities))
    weights = list(accumulate(subject.popularity for subject in subjects))
    history = History(entities=[subject.entity for subject in subjects])
    for day, midnight in enumerate(options.midnights):
        expected = len(subjects) * _EVENTS_PER_ENTITY_AND_DAY * _WEEKLY_RHYTHM[midnight.weekday()]
        for _ in range(max(1, round(rng.gauss(expected, expected / 8)))):
            moment = midnight + timedelta(seconds=rng.randrange(86_400))
            _report(rng, history, _choose(rng, subjects, weights), day, moment)
        # Both ends of the day, exactly: the one that counts and the one that is another day's.
        for edge in (midnight, midnight + _LAST_INSTANT):
            _report(rng, history, [rng.choice(subjects[:20])], day, edge)
    for subject in subjects[:5]:
        _report(rng, history, [subject], -1, midnight + timedelta(days=1))
    return history


def _make_subjects(rng: random.Random, options: SampleOptions) -> Iterator[_Subject]:
    for rank, (name, entity_type) in enumerate(name_entities(rng), start=1):
        risk = list(islice(_walk_risk(rng), options.days))
        entity = Entity(
            id=_make_id(rng),
            name=name,
            entity_type=entity_type,
            risk_score=None if rng.random() < 0.05 else round(risk[-1], 2),
        )
        # A long tail: the first is in the news daily, the last once in a while or never.
        yield _Subject(entity=entity, risk=risk, popularity=rank**-1.05)


def _walk_risk(rng: random.Random) -> Iterator[float]:
    """Risk that drifts around a level of its own; now and then the level itself jumps."""
    level = rng.betavariate(2, 3) * 100
    risk = level
    while True:
        if rng.random() < 0.012:
            level = min(95.0, max(5.0, level + rng.choice((-1, 1)) * rng.uniform(15, 40)))
        risk = min(99.0, max(1.0, risk + 0.25 * (level - risk) + rng.gauss(0, 2.5)))
        yield risk


def _choose(rng: random.Random, subjects: list[_Subject], weights: list[float]) -> list[_Subject]:
    """Whom an event mentions: mostly one, sometimes several, rarely nobody who is watched."""
    count = rng.choices((0, 1, 2, 3, 4), weights=(2, 62, 24, 9, 3))[0]
    chosen = rng.choices(subjects, cum_weights=weights, k=count)
    return list({subject.entity.id: subject for subject in chosen}.values())


def _report(
    rng: random.Random, history: History, subjects: list[_Subject], day: int, moment: datetime
) -> None:
    """Adds one event at `moment`, and its mentions then and later on the same day."""
    level = sum(subject.risk[day] for subject in subjects) / len(subjects) if subjects else 50.0
    score = min(100.0, max(0.0, level + rng.gauss(0, 7)))
    who = subjects[0].entity.name.strip() if subjects else "Unnamed source"
    event = Event(
        id=_make_id(rng),
        occurred_at=moment,
        source=rng.choice(_SOURCES),
        title=f"{who}: {rng.choice(_TOPICS)}",
        risk_score=None if rng.random() < 0.06 else round(score, 2),
        risk_dimensions=_make_dimensions(rng, score),
    )
    history.events.append(event)
    for subject in subjects:
        for mentioned_at in _mention_times(rng, moment):
            history.mentions.append(
                EntityMention(
                    id=_make_id(rng),
                    entity=subject.entity,
                    event=event,
                    mentioned_at=mentioned_at,
                )
            )


def _mention_times(rng: random.Random, moment: datetime) -> Iterator[datetime]:
    yield moment
    # The same event told again, by the same entity's other outlets, before the day is over.
    while rng.random() < 0.12:
        left = moment.replace(hour=0, minute=0, second=0, microsecond=0) + _LAST_INSTANT - moment
        moment += left * rng.random()
        yield moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _make_dimensions(rng: random.Random, score: float) -> object:
    """What an extractor wrote: mostly numbers by dimension, or nothing, or rubbish."""
    fate = rng.random()
    if fate < 0.05:
        return None
    if fate < 0.06:
        return rng.choice(([], "high", [score, score], {}))
    present = [name for name in _DIMENSIONS if rng.random() < 0.7]
    return {name: _make_dimension(rng, score) for name in present}


def _make_dimension(rng: random.Random, score: float) -> object:
    value = round(min(100.0, max(0.0, score + rng.gauss(0, 12))), 1)
    # Twelve in a hundred are not the number that they should be.
    return rng.choices(
        (value, None, f" {value} ", "7e1", "high", {"score": value}, True, "", "1e999"),
        weights=(88, 3, 3, 1, 2, 1, 1, 0.5, 0.5),
    )[0]


def _make_id(rng: random.Random) -> uuid.UUID:
    return uuid.UUID(int=rng.getrandbits(128), version=4)
