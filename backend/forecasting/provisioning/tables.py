"""The training table."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.cloud import bigquery

from ..conf import Config
from ..database.mapping import longest_key
from ..google.clients import Clients
from ..google.replies import readable
from ..training_table import COLUMNS, DESCRIPTION, TIME_COLUMN, Column, canonical_type
from .plan import Change, Plan, Resource, differences

PARTITIONING = f"DAY on {TIME_COLUMN}"
# What an owned field is written to.
_PROPERTIES = {
    "description": "description",
    "columns": "schema",
    "expirationTime": "expires",
    "timePartitioning": "time_partitioning",
}


@dataclass(frozen=True, kw_only=True)
class TableSpec(Resource[bigquery.Table]):
    """The training table with its columns, partitioned by day, its rows never expiring.

    Owned are the description, the declared columns (type, mode, description) and the expirations;
    further columns, labels and access are left as they are. `longest_key` is how many characters
    the longest key of a series may have; None for any number.
    """

    table_id: str
    location: str
    description: str = DESCRIPTION
    longest_key: int | None = None
    columns: tuple[Column, ...] = COLUMNS
    kind = "table"

    @classmethod
    def from_config(cls, config: Config) -> "TableSpec":
        return cls(
            table_id=config.table_id, location=config.location, longest_key=longest_key(config)
        )

    @property
    def name(self) -> str:
        return self.table_id

    def observe(self, clients: Clients) -> bigquery.Table | None:
        return clients.find(lambda: clients.bigquery.get_table(self.table_id, **clients.repeating))

    def wanted(self) -> dict[str, str]:
        return {
            "description": self.description,
            "partitioning": PARTITIONING,
            **{f"columns.{c.name}": _shape(c) for c in self.columns},
        }

    def create(self, clients: Clients) -> bigquery.Table:
        table = bigquery.Table(self.table_id, schema=[_field(c) for c in self.columns])
        table.description = self.description
        table.time_partitioning = bigquery.TimePartitioning(
            type_=bigquery.TimePartitioningType.DAY, field=TIME_COLUMN
        )
        with readable():
            return clients.bigquery.create_table(table, **clients.repeating)

    def update(self, clients: Clients, observed: bigquery.Table, plan: Plan) -> bigquery.Table:
        """Patch what the plan names; the ETag of `observed` guards against another writer."""
        observed.description = self.description
        observed.schema = self._merged_schema(observed.schema)
        observed.expires = None
        observed.time_partitioning = _without_expiration(observed.time_partitioning)
        fields = sorted({_PROPERTIES[field.split(".")[0]] for field in plan.fields})
        with readable():
            return clients.bigquery.update_table(observed, fields, **clients.repeating)

    def obstacles(self, observed: bigquery.Table) -> list[Change]:
        """What BigQuery cannot change in place (managing-table-schemas, partitioned-tables)."""
        kind = table_kind(observed)
        if kind != "table":
            return differences(("kind", kind, "table"))
        found = by_name(observed.schema)
        location = (observed.location or self.location).lower()
        obstacles = differences(
            ("location", location, self.location),
            ("partitioning", _partitioning(observed), PARTITIONING),
        )
        for column in self.columns:
            field = found.get(column.name)
            before = _shape_of(field) if field else None
            if not (_fits(column, field) if field else not column.required):
                obstacles.append(
                    Change(field=f"columns.{column.name}", before=before, after=_shape(column))
                )
            elif field and (found_as := self._unfit(field)):
                obstacles += differences((f"columns.{column.name}", found_as, _shape(column)))
        return obstacles + self._required_by_others(observed.schema)

    def _unfit(self, field: bigquery.SchemaField) -> str:
        """What a column of the declared type is that takes no row, or not each key."""
        if "generatedColumn" in field.to_api_repr():
            return f"{_shape_of(field)} GENERATED"
        limit = field.max_length
        if limit is None or (self.longest_key is not None and self.longest_key <= limit):
            return ""
        return f"{canonical_type(field.field_type)}({limit}) {field.mode}"

    def _required_by_others(self, schema: Iterable[bigquery.SchemaField]) -> list[Change]:
        """Further columns that have to be given, and that no load gives: each would fail."""
        ours = {column.name for column in self.columns}
        others = (field for name, field in by_name(schema).items() if name not in ours)
        return [
            Change(field=f"columns.{f.name}", before=_shape_of(f), after=_NEEDS_NOTHING)
            for f in others
            if f.mode == "REQUIRED" and not _fills_itself(f)
        ]

    def changes(self, observed: bigquery.Table) -> list[Change]:
        return [
            *differences(("description", observed.description, self.description)),
            *self._column_changes(observed.schema),
            *_expirations(observed),
        ]

    def _column_changes(self, schema: Iterable[bigquery.SchemaField]) -> list[Change]:
        found = by_name(schema)
        changes = []
        for column in self.columns:
            field, name = found.get(column.name), f"columns.{column.name}"
            if field is None:
                changes += differences((name, None, _shape(column)))
                continue
            changes += differences(
                (name, _shape_of(field), _shape(column)),
                (f"{name}.description", field.description, column.description),
            )
        return changes

    def _merged_schema(self, schema: Iterable[bigquery.SchemaField]) -> list[Any]:
        """The whole column list, as a patch must send it: theirs in their order, ours as declared.

        Only the owned parts of a field are replaced, so that policy tags and the like survive.
        """
        ours = {column.name: column for column in self.columns}
        merged = [
            _with_owned_parts(field, ours.pop(name)) if name in ours else field
            for name, field in by_name(schema).items()
        ]
        return merged + [_field(column) for column in ours.values()]

    def remedy(self, observed: bigquery.Table) -> str:
        statements = [self._statement(change) for change in self.obstacles(observed)]
        if all(statements):
            return (
                "A query changes it and loses nothing: "
                f"{'; '.join(statements)}. Then run bq_setup again."
            )
        return (
            "BigQuery cannot change this in place: choose another table with FORECASTING_TABLE (or "
            f"another dataset), or move this one aside (bq cp {bq_name(self.name)} "
            f"{bq_name(self.name)}_old, then bq rm {bq_name(self.name)}) and run bq_setup again."
        )

    def _statement(self, obstacle: Change) -> str:
        """What takes the obstacle out of the way without loss; empty where nothing does."""
        name = obstacle.field.removeprefix("columns.")
        alter = f"ALTER TABLE `{self.name}` ALTER COLUMN `{name}`"
        if obstacle.after == _NEEDS_NOTHING:
            return f"{alter} DROP NOT NULL"
        return f"{alter} SET DATA TYPE STRING" if "STRING(" in f"{obstacle.before}" else ""


_NEEDS_NOTHING = "NULLABLE, or a default"


def _fills_itself(field: bigquery.SchemaField) -> bool:
    """Whether a REQUIRED column needs no value from who inserts a row."""
    default = (field.default_value_expression or "NULL").strip().upper()
    return default != "NULL" or "generatedColumn" in field.to_api_repr()


def by_name(schema: Iterable[bigquery.SchemaField]) -> dict[str, bigquery.SchemaField]:
    """The columns by their names, which BigQuery compares without regard to case."""
    return {field.name.lower(): field for field in schema}


_KINDS = {"VIEW": "view", "MATERIALIZED_VIEW": "materialized view", "EXTERNAL": "external table"}


def table_kind(table: bigquery.Table) -> str:
    """What the object of that name is, in words (reference/rest/v2/tables, type)."""
    if table.clone_definition:
        return "clone"
    kind = table.table_type or "TABLE"
    return _KINDS.get(kind, kind.lower().replace("_", " "))


def bq_name(table_id: str) -> str:
    """A table id as the bq tool writes it: project:dataset.table."""
    project, dataset, table = table_id.rsplit(".", 2)
    return f"{project}:{dataset}.{table}"


def _field(column: Column) -> bigquery.SchemaField:
    return bigquery.SchemaField(
        column.name, column.type, mode=column.mode, description=column.description
    )


def _with_owned_parts(field: bigquery.SchemaField, column: Column) -> bigquery.SchemaField:
    return bigquery.SchemaField.from_api_repr(
        {**field.to_api_repr(), "mode": column.mode, "description": column.description}
    )


def _shape(column: Column) -> str:
    return f"{column.type} {column.mode}"


def _shape_of(field: bigquery.SchemaField) -> str:
    return f"{canonical_type(field.field_type)} {field.mode}"


def _fits(column: Column, field: bigquery.SchemaField) -> bool:
    """Whether the column is as declared, or only stricter: REQUIRED can be relaxed in place."""
    same_type = canonical_type(field.field_type) == column.type
    relaxable = field.mode == "REQUIRED" and not column.required
    return same_type and (relaxable or field.mode == column.mode)


def _partitioning(table: bigquery.Table) -> str:
    if table.range_partitioning:
        return f"RANGE on {table.range_partitioning.field}"
    if not table.time_partitioning:
        return "none"
    partitioning = table.time_partitioning
    # A column, whose name is compared without regard to case (`by_name`).
    return f"{partitioning.type_} on {(partitioning.field or 'ingestion time').lower()}"


def _expirations(table: bigquery.Table) -> list[Change]:
    """Expirations by which BigQuery would delete the table, or its days, by itself."""
    partitions = table.time_partitioning and table.time_partitioning.expiration_ms
    return differences(
        ("expirationTime", table.expires and f"{table.expires:%Y-%m-%d %H:%M} UTC", None),
        ("timePartitioning.expirationMs", partitions and f"{partitions} ms", None),
    )


def _without_expiration(partitioning: bigquery.TimePartitioning) -> bigquery.TimePartitioning:
    changed = bigquery.TimePartitioning.from_api_repr(partitioning.to_api_repr())
    changed.expiration_ms = None
    return changed
