"""Mocks of clients, as `create_autospec` makes them and at a fraction of its price."""

from functools import cache
from typing import Any
from unittest.mock import MagicMock, Mock, NonCallableMock, create_autospec

_SPEC = ("_spec_class", "_spec_set", "_spec_signature", "_spec_asyncs", "_mock_methods")


def mock_of(client: type, methods: tuple[str, ...]) -> Any:
    """An autospecced mock of these methods alone, which refuses other names and arguments."""
    mock = _Client()
    _take_spec(mock, _autospecced(client, methods))
    return mock


@cache
def _autospecced(client: type, methods: tuple[str, ...]) -> Any:
    """Made once, and never called: to find out what each method takes is what costs."""
    narrow = type(client.__name__, (), {name: getattr(client, name) for name in methods})
    return create_autospec(narrow, instance=True)


class _Client(NonCallableMock):
    """Its methods are made when they are first asked for."""

    def _get_child_mock(self, /, **options: Any) -> Mock:
        method, autospecced = _Method(**options), vars(self)["_autospecced"]
        _take_spec(method, getattr(autospecced, options["name"]))
        return method


class _Method(Mock):
    def _get_child_mock(self, /, **options: Any) -> MagicMock:
        """What it returns unless it is told: such a mock takes long to make."""
        return MagicMock(**options)


def _take_spec(mock: Any, autospecced: Any) -> None:
    """Have a mock know what the other knows of the real thing."""
    vars(mock).update({name: vars(autospecced)[name] for name in _SPEC}, _autospecced=autospecced)
    # Each mock has a class of its own.
    for name in ("_mock_check_sig", "__signature__"):
        if name in vars(type(autospecced)):
            setattr(type(mock), name, vars(type(autospecced))[name])
