"""Limits, patterns, defaults and flags: values that somebody relies on, and no other test names."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from django.core.management import load_command_class

from backend import forecasting
from backend.forecasting.tests.support.agreed import assert_agreed

PREFIX = f"{forecasting.__name__}."
WORKED_OUT = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
DJANGOS = ("help", "version", "settings", "pythonpath", "traceback", "no_color", "force_color")
COMMANDS = ("bq_setup", "bq_setup_etl", "bq_verify")


@pytest.fixture(scope="module")
def modules() -> list[ModuleType]:
    """All that the product has."""
    found = pkgutil.walk_packages(forecasting.__path__, PREFIX)
    names = [
        module.name for module in found if not {"tests", "migrations"} & {*module.name.split(".")}
    ]
    assert len(names) > 90
    return [importlib.import_module(name) for name in sorted(names)]


def shown(value: object) -> Any:
    """A plain value as it is known by; None for long prose, and for what is no plain value."""
    if isinstance(value, re.Pattern | Enum):
        return value.pattern if isinstance(value, re.Pattern) else f"{value.value}"
    if isinstance(value, str):
        return repr(value) if len(value) < 80 else None
    if value is None or isinstance(value, bool | int | float | timedelta | range):
        return repr(value)
    if is_dataclass(value) and not isinstance(value, type):
        value = [(field.name, getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, dict):
        value = [*value.items()]
    if isinstance(value, tuple | list | set | frozenset):
        inner = [shown(each) for each in value]
        inner = sorted(inner, key=str) if isinstance(value, set | frozenset) else inner
        return None if None in inner else inner
    return None


def is_worked_out(node: ast.AST) -> bool:
    """Whether a value follows from others, or begins empty and is what commands have done since."""
    if isinstance(node, ast.Dict) and not node.keys:
        return True
    return isinstance(node, WORKED_OUT) or (isinstance(node, ast.Name) and node.id == "vars")


def own_types(module: ModuleType) -> Iterator[type]:
    """The types that a module makes itself."""
    for thing in vars(module).values():
        if isinstance(thing, type) and thing.__module__ == module.__name__:
            yield thing


def constants(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Those that a module writes down itself, and does not work out."""
    for kind in own_types(module):
        if issubclass(kind, Enum):
            members = [f"{member.name}: {member.value!r}" for member in kind]
            yield f"{module.__name__.removeprefix(PREFIX)}.{kind.__name__}", members
        elif not is_dataclass(kind):
            own = [f"{n}: {v!r}" for n, v in vars(kind).items() if type(v) in (bool, int, float)]
            if own:
                yield f"{module.__name__.removeprefix(PREFIX)}.{kind.__name__}", own
    for node in ast.parse(Path(module.__file__ or "").read_text("utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and not any(map(is_worked_out, ast.walk(node))):
            value = shown(vars(module)[target.id])
            if value:
                yield f"{module.__name__.removeprefix(PREFIX)}.{target.id}", value


def test_constants__are_as_agreed(modules: list[ModuleType], tmp_path: Path) -> None:
    assert_agreed("constants.json", dict(c for m in modules for c in constants(m)), tmp_path)


def defaults(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Those of the parameters of each function, method and record."""
    for name, thing in vars(module).items():
        if getattr(thing, "__module__", "") != module.__name__:
            continue
        inner = (
            {f"{name}.{n}": f for n, f in vars(thing).items()} if isinstance(thing, type) else {}
        )
        for called, function in {name: thing, **inner}.items():
            function = getattr(function, "__func__", function)
            if not isinstance(function, FunctionType) or function.__module__ != module.__name__:
                continue
            found = inspect.signature(function).parameters.values()
            values = {p.name: shown(p.default) for p in found if p.default is not p.empty}
            if values:
                yield f"{module.__name__.removeprefix(PREFIX)}.{called}", values


def test_defaults__are_as_agreed(modules: list[ModuleType], tmp_path: Path) -> None:
    assert_agreed("defaults.json", dict(d for m in modules for d in defaults(m)), tmp_path)


def records(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What of each record is not shown or compared, and from where on it is given by name."""
    for kind in own_types(module):
        if is_dataclass(kind) and "__dataclass_params__" in vars(kind):
            own = fields(kind)
            hidden = [f"{field.name} is hidden" for field in own if not field.repr]
            apart = [f"{field.name} is not compared" for field in own if not field.compare]
            in_order = [f"{field.name} by place" for field in own if not field.kw_only]
            frozen = [f"frozen: {vars(kind)['__dataclass_params__'].frozen}"]
            said = frozen + hidden + apart + in_order
            yield f"{module.__name__.removeprefix(PREFIX)}.{kind.__name__}", said


def test_records__are_as_agreed(modules: list[ModuleType], tmp_path: Path) -> None:
    assert_agreed("records.json", dict(r for m in modules for r in records(m)), tmp_path)


def test_flags__are_as_agreed(tmp_path: Path) -> None:
    """Our own, how they are read, and what a command's help says of them."""
    flags = {}
    for name in COMMANDS:
        parser = load_command_class("backend.forecasting", name).create_parser("manage.py", name)
        for action in parser._actions:
            if action.dest not in DJANGOS:
                kind, of_type = type(action).__name__, getattr(action.type, "__name__", "")
                of = (action.nargs, action.const, action.default, action.choices, action.metavar)
                said = [kind, action.dest, of_type, *map(repr, of), f"({action.help})"]
                flags[f"{name} {' '.join(action.option_strings)}"] = " ".join(said)
        flags[name] = f"{parser.description}\n{parser.epilog}"
    assert_agreed("flags.json", flags, tmp_path)
