"""The evaluator is compiled once, and what was made of it is never worse than none."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from wasmtime import Engine, Module, wat2wasm
from zetasql.core import wasm_client

from backend.tests.compiling import compile_once


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """The smallest of programs, in a machine that keeps nothing yet."""
    path = tmp_path / "small.wasm"
    path.write_bytes(wat2wasm("(module)"))
    before = wasm_client.Module
    compile_once(tmp_path / "compiled")
    yield path
    wasm_client.Module = before


def _start(source: Path) -> bool:
    """Whether it had to be compiled for the next who starts it."""
    with patch.object(Module, "from_file", wraps=Module.from_file) as compiling:
        assert isinstance(wasm_client.Module.from_file(Engine(), str(source)), Module)
    return bool(compiling.called)


def test_evaluator__is_compiled_for_the_first_alone(source: Path) -> None:
    assert [_start(source), _start(source)] == [True, False]


def test_evaluator__is_compiled_anew_where_what_was_kept_is_cut_short(source: Path) -> None:
    _start(source)
    (kept,) = (p for p in (source.parent / "compiled").iterdir() if p.suffix != ".lock")
    kept.write_bytes(kept.read_bytes()[:100])
    assert [_start(source), _start(source)] == [True, False]


def test_evaluator__starts_where_nothing_can_be_kept(source: Path) -> None:
    (source.parent / "compiled").write_text("a file in the folder's place")
    assert [_start(source), _start(source)] == [True, True]
