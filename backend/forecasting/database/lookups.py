"""Lookup paths, as `event__risk_dimensions__sanctions`, followed through Django's models.

A path goes along forward relations to a field; what is left of it behind a JSON field are keys.
Nothing here asks a database.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeAlias

from django.core.exceptions import FieldDoesNotExist
from django.db import models

# Generic for the type checker only.
Field: TypeAlias = "models.Field[Any, Any]"
Relation: TypeAlias = "models.ForeignKey[Any, Any]"

SEPARATOR = "__"
# PostgreSQL cuts off what is longer, in bytes (NAMEDATALEN).
_LONGEST_NAME = 63
_QUOTED = r'"((?:[^"]|"")+)"'
_NAMES = re.compile(r'"(?:[^"]|"")+"|[^",\s]+')
_SEARCH_PATH = re.compile(r"(?:-c\s*|--)search_path=((?:\\.|[^\s\\])+)")


class LookupFailed(Exception):
    """A path does not lead anywhere; the message says what it led to instead."""


@dataclass(frozen=True)
class Table:
    """A table; without a schema it is found by the session's search_path."""

    schema: str
    name: str


@dataclass(frozen=True)
class Column:
    """A column of the rows that the query calls `rows`."""

    rows: str
    name: str


@dataclass(frozen=True)
class Join:
    """The rows of a table, called `rows`, whose `key` is what `column` holds."""

    table: Table
    rows: str
    key: str
    column: Column


@dataclass(frozen=True, kw_only=True)
class Found:
    """The field that a path leads to, how to get there, and the keys that are left of the path.

    `managed`: Django made its table, so that the column is of the field's own type.
    """

    field: Field
    managed: bool
    column: Column
    joins: tuple[Join, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """Where models' tables are: `schema` is that of the tables whose model names none."""

    schema: str = ""

    def of(self, model: type[models.Model]) -> Table:
        """A model's table, its schema out of `db_table` where that holds one, as Django quotes."""
        name = model._meta.db_table
        quoted = name if name.startswith('"') and name.endswith('"') else f'"{name}"'
        parts = re.fullmatch(rf"(?:{_QUOTED}\.)?{_QUOTED}", quoted)
        if parts is None:
            return Table(self.schema, name)
        schema, table = ((part or "").replace('""', '"') for part in parts.groups())
        return Table(schema or self.schema, table)

    def follow(self, model: type[models.Model], rows: str, parts: Sequence[str]) -> Found:
        """What a path of `parts` leads to from `model`, whose rows are called `rows`.

        Raises LookupFailed.
        """
        if not all(parts):
            raise LookupFailed("a part of it is empty")
        field = _field(model, parts[0])
        if _is_inherited(field, model):
            link: Any = model._meta.get_ancestor_link(field.model)
            return self._follow_relation(link, rows, parts)
        if field.is_relation and len(parts) > 1:
            return self._follow_relation(field, rows, parts[1:])
        return Found(
            field=_output(field),
            managed=is_managed(field.model),
            column=Column(rows, field.column),
            joins=(),
            keys=(*parts[1:],),
        )

    def _follow_relation(self, field: Relation, rows: str, parts: Sequence[str]) -> Found:
        related = field.related_model
        join = Join(
            table=self.of(related),
            rows=_rows_behind(rows, field.name),
            key=str(key_of(field).column),
            column=Column(rows, field.column),
        )
        found = self.follow(related, join.rows, parts)
        return replace(found, joins=(join, *found.joins))


def _rows_behind(rows: str, field: str) -> str:
    """What rows are called that a relation of `rows` leads to, different for each path.

    No field's name has two underscores in it, or one at its end. One that is longer than PostgreSQL
    lets a name be gets the path's digest in place of its end.
    """
    name = f"{rows}{SEPARATOR}{field}"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = sha256(name.encode()).hexdigest()[:16]
    return f"{name.encode()[: _LONGEST_NAME - 17].decode(errors='ignore')}_{digest}"


def key_of(relation: Relation) -> Field:
    """The field that a relation's column refers to."""
    return relation.foreign_related_fields[0]


def value_field(field: Field) -> Field:
    """The field whose values a column holds: for a relation, those of what it refers to."""
    while isinstance(field, models.ForeignKey):
        field = key_of(field)
    return field


def schemas_of(options: str) -> tuple[str, ...]:
    """Where unqualified tables are looked for, in order, out of libpq's `options`.

    Empty where that is not said there. Said twice, the last counts.
    """
    found = _SEARCH_PATH.findall(options)
    text = re.sub(r"\\(.)", r"\1", found[-1]) if found else ""
    names = map(_identifier, _NAMES.findall(text))
    return (*dict.fromkeys(name for name in names if name not in ("$user", "pg_catalog")),)


def _identifier(text: str) -> str:
    quoted = re.fullmatch(_QUOTED, text)
    return quoted.group(1).replace('""', '"') if quoted else text.lower()


def _field(model: type[models.Model], name: str) -> Any:
    """A field of a model with one column: no way back along a relation, none to many rows."""
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        raise LookupFailed(f"{model._meta.label} has no field {name}") from None
    if field is None or field.many_to_many or not getattr(field, "column", None):
        raise LookupFailed(f"{model._meta.label}.{name} is no column of one row")
    if isinstance(field.related_model, str):
        raise LookupFailed(
            f"{model._meta.label}.{name} refers to {field.related_model}, of no app in "
            "INSTALLED_APPS"
        )
    return field


def is_managed(model: type[models.Model]) -> bool:
    """Whether the table is as the model says; a proxy's is that of the model that it stands for."""
    concrete: Any = model._meta.concrete_model
    return bool(concrete._meta.managed)


def _is_inherited(field: Any, model: type[models.Model]) -> bool:
    """Whether the column is in the table of a parent model (multi-table inheritance)."""
    return field.model._meta.concrete_model is not model._meta.concrete_model


def _output(field: Any) -> Field:
    generated = isinstance(field, models.GeneratedField)
    return field.output_field if generated else field  # type: ignore[no-any-return]
