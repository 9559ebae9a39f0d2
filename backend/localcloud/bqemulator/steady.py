"""bqemulator's catalog for several threads: gone through as it was when that began.

bqemulator keeps it in dicts that one thread changes while another goes through them, which Python
refuses in the middle of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from bqemulator.catalog.memory_repository import MemoryCatalogRepository

K = TypeVar("K")
V = TypeVar("V")


class Steady(dict[K, V]):
    """A dict whose keys, values and items are copies: what is added meanwhile is not in them."""

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    def keys(self) -> list[K]:  # type: ignore[override]
        return list(super().keys())

    def values(self) -> list[V]:  # type: ignore[override]
        return list(super().values())

    def items(self) -> list[tuple[K, V]]:  # type: ignore[override]
        return list(super().items())


class Repository(MemoryCatalogRepository):
    """Datasets, tables, jobs and all else, empty at first."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        for name in [name for name, kept in vars(self).items() if kept == {}]:
            setattr(self, name, Steady[Any, Any]())
