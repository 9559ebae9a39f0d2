"""From the settings that describe the source to the names that the source query reads.

The settings are lookup paths seen from one mention. They are resolved through the models' own
`_meta` and Django's router; no database is asked.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db import connections, models, router

from ..conf import Config
from ..errors import SettingError, shown
from ..training_table import DIMENSIONS
from .lookups import (
    SEPARATOR,
    Found,
    LookupFailed,
    Tables,
    is_managed,
    key_of,
    schemas_of,
    value_field,
)
from .source_mapping import EntityNames, Kind, Owner, Related, SourceMapping, Value

_KEYS = (models.UUIDField, models.IntegerField, models.CharField, models.TextField)
_COLUMN_NAMES = {column.dimension: column.name for column in DIMENSIONS}
_NUMBERS = {
    models.FloatField: Kind.FLOAT,
    models.IntegerField: Kind.INTEGER,
    models.DecimalField: Kind.DECIMAL,
}
_NUMBER = "a lookup path to a number, or to JSON and on by its keys"


def load_mapping(config: Config, registry: Apps = apps) -> SourceMapping:
    """The mapping that the settings describe. Raises SettingError for what fits no model."""
    reader = _Reader(config, registry)
    return SourceMapping(
        database=reader.database,
        search_path=reader.schemas if len(reader.schemas) > 1 else (),
        mentions=reader.tables.of(reader.model),
        entity=reader.key(reader.entity),
        entity_may_be_null=reader.entity.field.null or not is_managed(reader.model),
        entities=reader.related(reader.entity, Owner.ENTITY),
        entity_names=reader.entity_names(),
        time=reader.time(),
        event=reader.key(reader.event) if reader.event else None,
        events=reader.related(reader.event, Owner.EVENT) if reader.event else None,
        event_time=reader.event_time(),
        event_lookback_days=reader.event_lookback_days(),
        event_is_one_row=reader.event_is_one_row,
        mentioned_once=reader.mentioned_once,
        score=reader.score(),
        dimensions=dict(reader.dimension(*pair) for pair in config.dimension_fields),
    )


def longest_key(config: Config, registry: Apps = apps) -> int | None:
    """How many characters a series' key has as text at most; None where nothing limits them."""
    try:
        field = value_field(_Reader(config, registry).entity.field)
    except SettingError:
        return None
    if isinstance(field, models.UUIDField):
        return 36
    return 20 if isinstance(field, models.IntegerField) else field.max_length


def misfits(config: Config, registry: Apps = apps) -> Iterator[SettingError]:
    """All that fits no model, one error for each setting or dimension at most."""
    reader = _Reader(config, registry)
    told = set()
    parts: list[Callable[[], object]] = [
        lambda: reader.entity,
        lambda: reader.event,
        reader.entity_names,
        reader.time,
        reader.event_time,
        reader.event_lookback_days,
        reader.score,
        *(partial(reader.dimension, *pair) for pair in config.dimension_fields),
    ]
    for part in parts:
        try:
            part()
        except SettingError as error:
            if str(error) not in told:
                yield error
            told.add(str(error))


def _misfit(setting: str, value: str, why: object, expected: str) -> SettingError:
    return SettingError(f'{setting} is "{shown(value)}", but {why}', f"expected {expected}")


def _generic_relation(model: type[models.Model], field: str) -> str:
    """The generic relation whose key a field holds; empty where it is no such key."""
    private: list[Any] = model._meta.private_fields
    return next((str(each.name) for each in private if getattr(each, "fk_field", "") == field), "")


class _Reader:
    """Reads one setting after the other; each method raises SettingError for its own."""

    def __init__(self, config: Config, registry: Apps) -> None:
        self.config, self.registry = config, registry

    @cached_property
    def model(self) -> type[models.Model]:
        fail = partial(_misfit, "FORECASTING_MENTION_MODEL", self.config.mention_model)
        try:
            model = self.registry.get_model(self.config.mention_model)
        except (LookupError, ValueError):
            raise fail(
                "there is no such model", "app_label.Model of an app in INSTALLED_APPS"
            ) from None
        if model._meta.swapped:
            raise fail("another model is in its place", model._meta.swapped)
        return model

    @cached_property
    def database(self) -> str:
        alias = router.db_for_read(self.model)
        if alias not in connections.settings:
            raise SettingError(
                f"DATABASE_ROUTERS have {self.config.mention_model} read from {alias}, which "
                "DATABASES does not name",
                f"add it there, or have the router name one of {', '.join(connections.settings)}",
            )
        return alias

    @cached_property
    def tables(self) -> Tables:
        # Of several schemas PostgreSQL alone can say which has a table.
        return Tables(self.schemas[0] if len(self.schemas) == 1 else "")

    @cached_property
    def schemas(self) -> tuple[str, ...]:
        """Those that Django's connection looks for tables in, where its OPTIONS say so."""
        options = connections.settings[self.database].get("OPTIONS", {})
        return schemas_of(str(options.get("options", "")))

    @cached_property
    def entity(self) -> Found:
        """The mention's field that says which entity it mentions."""
        fail = partial(_misfit, "FORECASTING_ENTITY_FIELD", self.config.entity_field)
        expected = f"a relation or a column of {self.config.mention_model}: uuid, integer or text"
        found = self._own_field(self.config.entity_field, fail, expected)
        if not isinstance(value_field(found.field), _KEYS):
            raise fail(f"{found.field} is none of these", expected)
        if generic := _generic_relation(self.model, found.field.name):
            raise fail(
                f"it is the key of {generic}, and one key may be that of several kinds of entities",
                f"{expected}, of one kind of entities, such as a view has for each kind",
            )
        return found

    @cached_property
    def event(self) -> Found | None:
        """The mention's relation to the event; None where a mention stands for itself."""
        if not self.config.event_field:
            return None
        fail = partial(_misfit, "FORECASTING_EVENT_FIELD", self.config.event_field)
        expected = f"a relation of {self.config.mention_model} to the event, or none"
        found = self._own_field(self.config.event_field, fail, expected)
        if not isinstance(found.field, models.ForeignKey):
            raise fail(f"{found.field} is no relation", expected)
        return found

    def _own_field(self, name: str, fail: Callable[..., SettingError], expected: str) -> Found:
        try:
            if SEPARATOR in name:
                raise LookupFailed("it leads away from the mention")
            return self.tables.follow(self.model, Owner.MENTION, [name])
        except LookupFailed as error:
            raise fail(error, expected) from None

    @property
    def event_is_one_row(self) -> bool:
        """A foreign key that PostgreSQL enforces refers to a unique column."""
        if self.event is None:
            return True
        relation: Any = self.event.field
        managed = is_managed(self.model) and is_managed(relation.related_model)
        return managed and bool(relation.db_constraint)

    @property
    def mentioned_once(self) -> bool:
        if self.event is None or not is_managed(self.model):
            return False
        names = {self.entity.field.name, self.event.field.name}
        concrete: Any = self.model._meta.concrete_model  # A proxy's constraints are made nowhere.
        meta = concrete._meta
        unique = [
            constraint.fields
            for constraint in meta.constraints
            if isinstance(constraint, models.UniqueConstraint) and constraint.condition is None
        ]
        return any({*fields} == names for fields in [*unique, *meta.unique_together])

    def key(self, found: Found) -> Value:
        return Value(owner=Owner.MENTION, column=found.column, joins=found.joins, kind=Kind.KEY)

    def related(self, found: Found, owner: Owner) -> Related | None:
        """What a relation of the mention refers to; None for a column that is no relation."""
        relation = found.field
        if not isinstance(relation, models.ForeignKey):
            return None
        model = relation.related_model
        key = self.tables.follow(model, owner, [key_of(relation).name])
        return Related(
            table=self.tables.of(model),
            key=Value(owner=owner, column=key.column, joins=key.joins, kind=Kind.KEY),
        )

    def entity_names(self) -> EntityNames | None:
        path = self.config.entity_name_field
        if not path:
            return None
        expected = f"a lookup path to the name that begins with {self.config.entity_field}, or "
        fail = partial(_misfit, "FORECASTING_ENTITY_NAME_FIELD", path)
        owner, found = self._follow(path, fail, f"{expected}none, to show the keys")
        relation = self.entity.field
        if owner is not Owner.ENTITY or not isinstance(relation, models.ForeignKey) or found.keys:
            raise fail("it is no column of the entity", f"{expected}none, to show the keys")
        rest = path.partition(SEPARATOR)[2]
        return EntityNames(model=relation.related_model, key=key_of(relation).name, path=rest)

    def time(self) -> Value:
        """When the mention was; what has no time zone only where the settings give one."""
        fail = partial(_misfit, "FORECASTING_TIME_FIELD", self.config.time_field)
        expected = f"a date and time of {self.config.mention_model}"
        try:
            parts = self.config.time_field.split(SEPARATOR)
            found = self.tables.follow(self.model, Owner.MENTION, parts)
        except LookupFailed as error:
            raise fail(error, expected) from None
        in_utc = bool(self.config.time_zone)
        return self._moment(Owner.MENTION, found, fail, expected, in_utc=in_utc)

    def event_time(self) -> Value | None:
        path = self.config.event_time_field
        if not path or self.event is None:
            return None
        expected = f"a lookup path to a time that begins with {self.config.event_field}, or none"
        fail = partial(_misfit, "FORECASTING_EVENT_TIME_FIELD", path)
        owner, found = self._follow(path, fail, expected)
        if owner is not Owner.EVENT:
            raise fail("it is no column of the event", expected)
        value = self._moment(owner, found, fail, expected, in_utc=True)
        # Django's own column for a date and time has a zone.
        return replace(value, kind=Kind.MOMENT) if value.kind is Kind.WALL_CLOCK else value

    def event_lookback_days(self) -> int:
        days = self.config.event_lookback_days
        if days and not self.event_time():
            raise _misfit(
                "FORECASTING_EVENT_LOOKBACK_DAYS",
                str(days),
                "nothing says when an event was",
                "FORECASTING_EVENT_TIME_FIELD beside it, or nothing",
            )
        return days

    def _moment(
        self,
        owner: Owner,
        found: Found,
        fail: Callable[..., SettingError],
        expected: str,
        *,
        in_utc: bool,
    ) -> Value:
        if found.keys or not isinstance(found.field, models.DateField):
            raise fail(f"{found.field} is no date and time", expected)
        kind = Kind.DAY
        if isinstance(found.field, models.DateTimeField):
            kind = Kind.WALL_CLOCK if in_utc else Kind.MOMENT
        elif not in_utc:
            raise fail(
                f"{found.field} is a date, which has no time zone",
                f"{expected}, or FORECASTING_TIME_ZONE=UTC to read it as a day in UTC",
            )
        return Value(owner=owner, column=found.column, joins=found.joins, kind=kind)

    def score(self) -> Value:
        if self.config.score_source == "entity":
            return self._number("FORECASTING_SCORE_SOURCE", self.config.score_path, "entity")
        return self._number("FORECASTING_SCORE_FIELD", self.config.score_path)

    def dimension(self, key: str, path: str) -> tuple[str, Value]:
        """The training table's column of a dimension, and what it is the mean of."""
        setting, given = "FORECASTING_DIMENSION_FIELDS", f"{key}={path}"
        keys = [key for key, _ in self.config.dimension_fields]
        if key not in _COLUMN_NAMES or keys.count(key) > 1:
            why = "it is there twice" if key in _COLUMN_NAMES else "no column is for it"
            raise _misfit(setting, given, why, f"each of {', '.join(_COLUMN_NAMES)} once at most")
        return _COLUMN_NAMES[key], self._number(setting, path, given)

    def _number(self, setting: str, path: str, shown_as: str = "") -> Value:
        fail = partial(_misfit, setting, shown_as or path)
        owner, found = self._follow(path, fail, _NUMBER)
        try:
            kind = _number_kind(found)
        except LookupFailed as error:
            raise fail(error, _NUMBER) from None
        return Value(
            owner=owner, column=found.column, joins=found.joins, kind=kind, keys=found.keys
        )

    def _follow(
        self, path: str, fail: Callable[..., SettingError], expected: str
    ) -> tuple[Owner, Found]:
        """Where a path leads, and whose it is: the event's and the entity's are read by key."""
        first, *rest = path.split(SEPARATOR)
        related = {Owner.ENTITY: self.entity, Owner.EVENT: self.event}
        owner, model, parts = Owner.MENTION, self.model, [first, *rest]
        for other, found in related.items():
            relation = found.field if found else None
            if rest and isinstance(relation, models.ForeignKey) and first == relation.name:
                owner, model, parts = other, relation.related_model, rest
        try:
            return owner, self.tables.follow(model, owner, parts)
        except LookupFailed as error:
            raise fail(error, expected) from None


def _number_kind(found: Found) -> Kind:
    """How to read a number out of a field. Raises LookupFailed where there is none."""
    field = found.field
    if found.keys and isinstance(field, models.JSONField):
        return Kind.JSON
    if found.keys and isinstance(field, models.TextField):
        return Kind.JSON_TEXT
    if found.keys:
        keys = SEPARATOR.join(found.keys)
        raise LookupFailed(f"{field} holds no JSON in which to look for {keys}")
    for field_type, kind in _NUMBERS.items():
        if isinstance(field, field_type):
            # What is no table of Django's may hold any number, such as NaN in place of an integer.
            return kind if found.managed else Kind.DECIMAL
    if isinstance(field, models.JSONField):
        raise LookupFailed(f"{field} is JSON, and no key says what of it")
    raise LookupFailed(f"{field} is no number")
