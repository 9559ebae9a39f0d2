"""Real event records of the GDELT Project (gdeltproject.org) as a history.

What becomes of a record:

- Each actor that it names is an entity (`_entity_type`), and is mentioned by it at noon UTC of its
  day, since a record has no time. An actor on both sides is mentioned twice.
- The record is an event, scored from 0 to 100: half from how conflictual the act was (Goldstein
  scale, 10 to -10), half from the tone of the coverage (usually 10 to -10; beyond that it is cut).
- The dimensions that its kind of act bears on (CAMEO root code) have the score of the act alone;
  the others are absent. See `_DIMENSIONS`.
- All dates move by the same number of days, so that the last one is the day asked for.
"""

import csv
import gzip
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from backend.demo.history import History, HistoryError
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event

# What is read of a record; files have more.
_COLUMNS = (
    *("event_date", "actor1", "actor1_country", "actor1_type", "actor2", "actor2_country"),
    *("root_code", "goldstein", "tone", "place", "source"),
)

# CAMEO root codes by the dimension that such acts bear on.
_DIMENSIONS = {
    # threaten, reduce relations (embargoes are among these), coerce
    "sanctions": frozenset({"13", "16", "17"}),
    # all that is said rather than done: statements, appeals, consultations, demands, rejections
    "political": frozenset({"01", "02", "03", "04", "05", "09", "10", "11", "12", "13"}),
    # cooperate materially, aid, yield, reduce relations
    "economic": frozenset({"06", "07", "08", "16"}),
    # protest and strike, show of force, assault, fight, mass violence
    "supply_chain": frozenset({"14", "15", "18", "19", "20"}),
}
# CAMEO actor types; a type in neither (civilians, opposition, criminals, ...) is a person.
_GOVERNMENT_TYPES = frozenset({"GOV", "MIL", "COP", "JUD", "LEG", "SPY", "IGO"})
_COMPANY_TYPES = frozenset({"BUS", "MNC", "MED", "EDU", "HLH", "NGO"})


@dataclass(frozen=True, kw_only=True)
class _Actor:
    name: str
    country: str
    type: str


@dataclass(frozen=True, kw_only=True)
class _Record:
    day: date
    actors: tuple[_Actor, ...]
    root_code: str
    goldstein: float
    tone: float
    place: str
    source: str


def read_events(path: Path, *, last_day: date) -> History:
    """The history that a compressed CSV file of event records tells, ending on `last_day`.

    Raises `HistoryError`, which names the line, for a file that is not one.
    """
    try:
        records = list(_read_records(path))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise HistoryError(f"{path} cannot be read as gzip-compressed CSV: {error}") from error
    if not records:
        raise HistoryError(f"{path} holds no records")
    shift = last_day - max(record.day for record in records)
    entities = _make_entities(records)
    history = History(entities=list(entities.values()))
    for record in records:
        moment = datetime.combine(record.day + shift, time(12), UTC)
        event = _make_event(record, moment)
        history.events.append(event)
        history.mentions.extend(
            EntityMention(entity=entities[actor.name], event=event, mentioned_at=moment)
            for actor in record.actors
        )
    return history


def _read_records(path: Path) -> Iterator[_Record]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise HistoryError(f"{path}, line 1: the columns {', '.join(missing)} are missing")
        for row in rows:
            try:
                yield _parse_record(row)
            except ValueError as error:
                raise HistoryError(f"{path}, line {rows.line_num}: {error}") from error


def _parse_record(row: dict[str, str]) -> _Record:
    # DictReader files what a long row has too much under None, and fills a short one with None.
    if None in row or None in row.values():
        raise ValueError("the row has more or fewer fields than line 1")
    if any("\0" in value for value in row.values()):
        raise ValueError("the row holds a NUL character, which PostgreSQL does not store")
    actors = (
        _Actor(name=row["actor1"], country=row["actor1_country"], type=row["actor1_type"]),
        _Actor(name=row["actor2"], country=row["actor2_country"], type=""),
    )
    return _Record(
        day=_parse_day(row["event_date"]),
        actors=tuple(actor for actor in actors if actor.name),
        root_code=row["root_code"],
        goldstein=_parse_number(row, "goldstein"),
        tone=_parse_number(row, "tone"),
        place=row["place"],
        source=row["source"],
    )


def _parse_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    # The span also keeps the shifted dates within what a date can be.
    if not 1970 <= day.year <= 2100:
        raise ValueError(f"event_date is {text!r}, which is not a date like 2026-03-01")
    return day


def _parse_number(row: dict[str, str], column: str) -> float:
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{column} is {row[column]!r}, which is not a number")
    return number


def _make_entities(records: list[_Record]) -> dict[str, Entity]:
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for actor in record.actors:
            types[actor.name][_entity_type(actor)] += 1
    return {
        name: Entity(name=name[:300], entity_type=counted.most_common(1)[0][0])
        for name, counted in types.items()
    }


def _entity_type(actor: _Actor) -> str:
    """An actor without a type but with a country is that country, or a part of it."""
    if actor.type in _GOVERNMENT_TYPES or (actor.country and not actor.type):
        return Entity.EntityType.GOVERNMENT
    if actor.type in _COMPANY_TYPES:
        return Entity.EntityType.COMPANY
    return Entity.EntityType.PERSON


def _make_event(record: _Record, moment: datetime) -> Event:
    act, coverage = _score(record.goldstein), _score(record.tone)
    names = " - ".join(actor.name for actor in record.actors) or "unnamed"
    return Event(
        occurred_at=moment,
        source=record.source[:200],
        title=f"{names}, {record.place}"[:500],
        risk_score=(act + coverage) / 2,
        risk_dimensions={
            name: act for name, codes in _DIMENSIONS.items() if record.root_code in codes
        },
    )


def _score(scale: float) -> float:
    """From a scale of 10 (best) to -10 (worst) to one of 0 to 100 (worst)."""
    return min(100.0, max(0.0, 50 - 5 * scale))
