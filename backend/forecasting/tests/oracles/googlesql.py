"""Google's own GoogleSQL parser, analyzer and evaluator, as an oracle for BigQuery scripts.

`BigQuery(...).analyze_script` goes through a script as BigQuery does: it declares and sets the
variables, takes both branches of an IF, builds the text of an EXECUTE IMMEDIATE and analyzes that,
and knows a temporary table by the columns that its statement gives it. Whatever Google refuses
raises `Refused`.

The evaluator starts once in a process; the first on a machine has it compiled.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar

from zetasql.api import (
    CatalogBuilder,
    Parser,
    TableBuilder,
    TVFBuilder,
    TypeFactory,
    Value,
)
from zetasql.core.exceptions import ZetaSQLError
from zetasql.core.local_service import ZetaSqlLocalService
from zetasql.types import (
    AnalyzerOptions,
    EvaluateRequest,
    LanguageOptions,
    ProductMode,
    SimpleConstant,
    Type,
    TypeKind,
    ZetaSQLBuiltinFunctionOptions,
)

from backend.forecasting.training_table import COLUMNS, SERIES_COLUMN, TIME_COLUMN
from backend.tests.compiling import compile_once
from backend.tests.evaluating import answer_quickly

compile_once()
answer_quickly()

Refused = ZetaSQLError

# What PostgreSQL's types become in BigQuery (bigquery/docs: federated_query_functions); a type that
# is not here is one that BigQuery refuses, or that the source query has no use for.
FEDERATED_TYPES = {"text": "STRING", "timestamptz": "TIMESTAMP", "float8": "FLOAT64"}
# The source query's columns as PostgreSQL reports them; test_source_query.py holds them against it.
SOURCE_COLUMNS = {
    column.name: {SERIES_COLUMN: "text", TIME_COLUMN: "timestamptz"}.get(column.name, "float8")
    for column in COLUMNS
}
TRAINING_TABLE = {column.name: column.type for column in COLUMNS}
Answer = TypeVar("Answer")
Function = tuple[list[str], Mapping[str, str], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Analyzed:
    """A statement that Google accepts, and Google's tree of it."""

    kind: str
    tree: Any

    @property
    def columns(self) -> dict[str, str]:
        """The columns that a query or a CREATE TABLE yields, with their types."""
        outputs = self.tree.output_column_list
        return {output.name: _type_name(output.column.type) for output in outputs}

    @property
    def inserted(self) -> dict[str, str]:
        """Which column of the source a MERGE inserts into each column of the table."""
        (insert,) = (when for when in self.tree.when_clause_list if when.insert_row)
        targets = [column.name for column in insert.insert_column_list]
        sources = [value.value.column.name for value in insert.insert_row.value_list]
        return dict(zip(targets, sources, strict=True))

    @property
    def external_query(self) -> tuple[str, str]:
        """Connection and text of the one EXTERNAL_QUERY; BigQuery takes only literals for them."""
        (scan,) = (n for n in _nodes(self.tree) if type(n).__name__ == "ResolvedTVFScan")
        values = [argument.expr.value.value.string_value for argument in scan.argument_list]
        connection, query = (str(value) for value in values)
        return connection, query


@dataclass(frozen=True, kw_only=True)
class BigQuery:
    """What a script may refer to: tables, EXTERNAL_QUERY's columns, and query parameters.

    `functions` are table-valued ones that the analyzer does not know: by name the tables that they
    take, their named arguments, and the columns that they yield. `time_zone` is what a project may
    set as its default_time_zone (default-configuration).
    """

    tables: Mapping[str, Mapping[str, str]]
    external: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    parameters: Mapping[str, datetime | date | int | str] = field(default_factory=dict)
    time_zone: str = "UTC"

    def analyze_statement(self, sql: str) -> Analyzed:
        return _Session(self).analyze(sql)

    def analyze_script(self, script: str) -> list[Analyzed]:
        """Every statement in order, with what is inside IF and EXECUTE IMMEDIATE."""
        session = _Session(self)
        session.run(script)
        return session.analyzed

    def evaluate_after(self, script: str, expressions: Iterable[str]) -> list[Any]:
        """The values of expressions that use the variables of a script that ran."""
        session = _Session(self)
        session.run(script)
        return [session.evaluate(expression) for expression in expressions]


def statement_kinds(script: str) -> list[str]:
    """The kind of each statement, as the parser alone sees it.

    Those inside an IF follow it, as those in the text of an EXECUTE IMMEDIATE do.
    """
    kinds = []
    for node in _nodes(Parser.parse_script_static(script, _language())):
        if _is_statement(node):
            kinds.append(type(node).__name__)
        if kinds[-1:] == ["ASTExecuteImmediateStatement"] and _is_string(node):
            kinds.extend(statement_kinds(read_literal(node.components[0].image)))
    return kinds


def find_zoneless_calls(script: str) -> list[str]:
    """The calls whose result depends on the project's default time zone, as they stand."""
    found = []
    for node in _nodes(Parser.parse_script_static(script, _language())):
        match type(node).__name__:
            case "ASTFunctionCall" if _function_name(node) in _ZONED:
                if "UTC" not in map(_string_value, node.arguments):
                    found.append(_text(node, script.encode()))
            case "ASTExtractExpression":
                if _string_value(node.time_zone_expr) != "UTC":
                    found.append(_text(node, script.encode()))
            case "ASTExecuteImmediateStatement":
                literals = filter(_is_string, _nodes(node))
                found += find_zoneless_calls(read_literal(next(literals).components[0].image))
    return found


# Those that take a zone and without one use the default (functions' pages of the reference). DATE,
# DATETIME and TIME of numbers take none; nothing here calls them so.
_ZONED = {
    *("CURRENT_DATE", "CURRENT_DATETIME", "CURRENT_TIME", "DATE", "DATETIME", "TIME", "TIMESTAMP"),
    *("TIMESTAMP_TRUNC", "FORMAT_TIMESTAMP", "PARSE_TIMESTAMP", "STRING", "GENERATE_TIMESTAMP"),
}


def _function_name(node: Any) -> str:
    return str(node.function.names[-1].id_string).upper()


def _string_value(node: Any) -> str | None:
    return read_literal(node.components[0].image) if node and _is_string(node) else None


def read_literal(text: str) -> str:
    """The value of a text that is one string literal and nothing else."""
    statement = Parser.parse_statement_static(f"SELECT {text}", _language())
    (column,) = statement.query.query_expr.select_list.columns
    (component,) = column.expression.components
    assert (component.image, column.alias) == (text, None)
    return str(_Session(BigQuery(tables={})).evaluate(text).get_string())


def read_path(text: str) -> list[str]:
    """The parts of a text that is one identifier path and nothing else."""
    statement = Parser.parse_statement_static(f"SELECT 1 FROM {text}", _language())
    table = statement.query.query_expr.from_clause.table_expression
    assert table.parse_location_range.end == len(f"SELECT 1 FROM {text}".encode())
    return [str(name.id_string) for name in table.path_expr.names]


class _Session:
    """The state of one run of a script: its variables, its temporary tables, what is done."""

    def __init__(self, world: BigQuery) -> None:
        self.world = world
        self.tables = dict(world.tables)
        self.variables: dict[str, Any] = {}
        self.analyzed: list[Analyzed] = []

    def run(self, script: str) -> None:
        parsed = Parser.parse_script_static(script, _language())
        self._run_list(parsed.statement_list_node, script.encode())

    def analyze(self, sql: str, *, inside_a_text: bool = False) -> Analyzed:
        """Text that EXECUTE IMMEDIATE runs sees neither the variables nor the parameters."""
        question = "analyze", inside_a_text, *self._all_that_matters(sql)
        return _ask_once(question, lambda: self._analyze(sql, inside_a_text=inside_a_text))

    def _analyze(self, sql: str, *, inside_a_text: bool) -> Analyzed:
        answer = ZetaSqlLocalService.get_instance().analyze(
            sql_statement=sql,
            options=self._options(with_parameters=not inside_a_text),
            registered_catalog_id=self._catalog(sql, with_variables=not inside_a_text),
        )
        tree = answer.resolved_statement
        return Analyzed(kind=type(tree).__name__.removeprefix("Resolved"), tree=tree)

    def evaluate(self, expression: str) -> Any:
        """The expression's value, computed by Google's evaluator."""
        if _MOVING.search(expression):
            return self._evaluate(expression)
        question = "evaluate", *self._all_that_matters(expression)
        return _ask_once(question, lambda: self._evaluate(expression))

    def _evaluate(self, expression: str) -> Any:
        service = ZetaSqlLocalService.get_instance()
        prepared = service.prepare(
            sql=expression,
            options=self._options(with_parameters=True),
            registered_catalog_id=self._catalog(expression, with_variables=True),
        ).prepared
        number = prepared.prepared_expression_id
        parameters = [
            EvaluateRequest.Parameter(name=name, value=_value(value).to_proto())
            for name, value in self.world.parameters.items()
        ]
        try:
            answer = service.evaluate(prepared_expression_id=number, params=parameters)
        finally:
            service.unprepare(prepared_expression_id=number)
        return Value.from_proto(answer.value)

    def _all_that_matters(self, sql: str) -> tuple[str, ...]:
        """What an answer about a text depends on: of a thing that it does not name, nothing."""
        world = self.world
        external = {"EXTERNAL_QUERY": world.external}
        every = (external, world.functions, self.tables, self.variables, world.parameters)
        return sql, world.time_zone, *(repr(_named(of, sql)) for of in every)

    def _run_list(self, statements: Any, script: bytes) -> None:
        for node in statements.statement_list if statements else ():
            self._run_statement(node, script)

    def _run_statement(self, node: Any, script: bytes) -> None:
        match type(node).__name__:
            case "ASTVariableDeclaration":
                (name,) = node.variable_list.identifier_list
                (declared,) = node.type.type_name.names
                value = self.evaluate(_text(node.default_value, script))
                _require(declared.id_string, value)
                self.variables[name.id_string] = value
            case "ASTSingleAssignment":
                value = self.evaluate(_text(node.expression, script))
                _require(_type_name(self.variables[node.variable.id_string].get_type()), value)
            case "ASTIfStatement":
                self.analyze(f"SELECT IF({_text(node.condition, script)}, 1, 2)")
                self._run_list(node.then_list, script)
                self._run_list(node.else_list, script)
            case "ASTExecuteImmediateStatement":
                text = self.evaluate(_text(node.sql, script)).get_string()
                self._keep(self.analyze(text, inside_a_text=True))
            case _:
                self._keep(self.analyze(_text(node, script)))

    def _keep(self, statement: Analyzed) -> None:
        self.analyzed.append(statement)
        if statement.kind == "CreateTableAsSelectStmt":
            (name,) = statement.tree.name_path
            self.tables[name] = statement.columns

    def _options(self, *, with_parameters: bool) -> Any:
        options = AnalyzerOptions(
            language_options=_language(), default_timezone=self.world.time_zone
        )
        if with_parameters:
            options.query_parameters = [
                AnalyzerOptions.QueryParameter(name=name, type=_value(value).get_type())
                for name, value in self.world.parameters.items()
            ]
        return options

    def _catalog(self, sql: str, *, with_variables: bool) -> int:
        """Google's number for what the text may refer to, and names."""
        world = self.world
        return _number_of(
            _Catalog(
                tables=_named(self.tables, sql),
                external=_named({"EXTERNAL_QUERY": world.external}, sql),
                functions=_named(world.functions, sql),
                variables=_named(self.variables, sql) if with_variables else {},
            )
        )


def _named(things: Mapping[str, Answer], sql: str) -> dict[str, Answer]:
    """Those that a text names."""
    text = sql.casefold()
    return {n: of for n, of in things.items() if n.split(".")[-1].casefold() in text}


@dataclass(frozen=True, kw_only=True)
class _Catalog:
    """What Google's service has to know of besides its own functions."""

    tables: Mapping[str, Mapping[str, str]]
    external: Mapping[str, Mapping[str, str]]
    functions: Mapping[str, Function]
    variables: Mapping[str, Any]

    def build(self) -> Any:
        functions = ZetaSQLBuiltinFunctionOptions(language_options=_language())
        builder = CatalogBuilder("bigquery").with_builtin_functions(functions)
        for name, columns in self.tables.items():
            builder.add_table(_table(name, columns))
        for columns in filter(None, self.external.values()):
            builder.add_table_valued_function(_external_query(columns))
        for name, function in self.functions.items():
            builder.add_table_valued_function(_table_function(name, function))
        catalog = builder.build()
        for name, value in self.variables.items():
            constant = SimpleConstant(
                name_path=[name], type=value.get_type(), value=value.to_proto()
            )
            catalog.add_constant(constant)
        return catalog


def _number_of(catalog: _Catalog) -> int:
    """Google is told of a catalog once: to make its functions takes longer than most questions."""
    key, service = repr(catalog), ZetaSqlLocalService.get_instance()
    if key not in _CATALOGS:
        if len(_CATALOGS) >= _MOST_CATALOGS:
            service.unregister_catalog(registered_id=_CATALOGS.pop(next(iter(_CATALOGS))))
        told = service.register_catalog(simple_catalog=catalog.build())
        _CATALOGS[key] = told.registered_id
    return _CATALOGS[key]


_CATALOGS: dict[str, int] = {}
_MOST_CATALOGS = 24
"""Of some megabytes each."""

_ANSWERS: dict[tuple[object, ...], Any] = {}
_MOVING = re.compile("CURRENT_|RAND|UUID|SESSION", re.IGNORECASE)
"""What has another value each time."""


def _ask_once(question: tuple[object, ...], ask: Callable[[], Answer]) -> Answer:
    """Google's answer, the one of before to the same: one script has much of another."""
    if question not in _ANSWERS:
        _ANSWERS[question] = ask()
    answer: Answer = _ANSWERS[question]
    return answer


@cache
def _language() -> Any:
    language = LanguageOptions.maximum_features()
    language.product_mode = ProductMode.PRODUCT_EXTERNAL
    return language


def _table(name: str, columns: Mapping[str, str]) -> Any:
    builder = TableBuilder(name)
    for column, type_name in columns.items():
        builder.add_column(column, _type(type_name))
    return builder.build()


def _external_query(columns: Mapping[str, str]) -> Any:
    function = (
        TVFBuilder("EXTERNAL_QUERY")
        .add_argument("connection", TypeKind.TYPE_STRING)
        .add_argument("query", TypeKind.TYPE_STRING)
        .set_output_schema([(name, _type_kind(type_name)) for name, type_name in columns.items()])
        .build()
    )
    for argument in function.signature.argument:
        argument.num_occurrences = 1  # the evaluator crashes without it
    return function


def _table_function(name: str, function: Function) -> Any:
    tables, arguments, columns = function
    builder = TVFBuilder(name)
    for table in tables:
        builder.add_table_argument(table)
    for argument, type_name in arguments.items():
        builder.add_argument(argument, _type(type_name))
    built = builder.set_output_schema(
        [(column, _type(type_name)) for column, type_name in columns.items()]
    ).build()
    for argument in built.signature.argument:
        argument.num_occurrences = 1
    return built


def _value(value: datetime | date | int | str) -> Any:
    if isinstance(value, int):
        return Value.int64(value)
    if isinstance(value, str):
        return Value.string(value)
    if isinstance(value, datetime):
        return Value.timestamp(value)
    return Value.date(value.year, value.month, value.day)


def _require(type_name: str, value: Any) -> None:
    """BigQuery would coerce some other types to a variable's; the script has no need of it."""
    found = _type_name(value.get_type())
    if found != type_name:
        raise Refused(f"{found} for a variable of type {type_name}")


def _type(name: str) -> Any:
    """A type by its name in SQL, of one level: FLOAT64, ARRAY<STRING>, STRUCT<value FLOAT64>."""
    if found := re.fullmatch(r"ARRAY<(\w+)>", name):
        return TypeFactory.create_array_type(_type(found[1]))
    if found := re.fullmatch(r"STRUCT<(\w+) (\w+)>", name):
        return TypeFactory.create_struct_type([(found[1], _type(found[2]))])
    return TypeFactory.create_simple_type(_type_kind(name))


def _type_kind(name: str) -> Any:
    return TypeKind["TYPE_DOUBLE" if name == "FLOAT64" else f"TYPE_{name}"]


def _type_name(of_type: Type) -> str:
    name = TypeKind(of_type.type_kind).name.removeprefix("TYPE_")
    return "FLOAT64" if name == "DOUBLE" else str(name)


def _text(node: Any, script: bytes) -> str:
    # Positions count bytes.
    return script[node.parse_location_range.start : node.parse_location_range.end].decode()


def _is_statement(node: Any) -> bool:
    return any(base.__name__ == "ASTStatement" for base in type(node).__mro__)


def _is_string(node: Any) -> bool:
    return type(node).__name__ == "ASTStringLiteral"


def _nodes(tree: Any) -> Iterator[Any]:
    """The node and all below it, each before what is inside it."""
    if isinstance(tree, list | tuple):
        for item in tree:
            yield from _nodes(item)
    elif hasattr(tree, "parse_location_range"):
        yield tree
        for child in vars(tree).values():
            yield from _nodes(child)
