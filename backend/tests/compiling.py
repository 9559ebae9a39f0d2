"""Google's evaluator of SQL, compiled once on a machine: it takes 20 seconds of a processor."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

from django.conf import settings
from wasmtime import Config, Engine, Module, WasmtimeError
from zetasql.core import wasm_client

_FOLDER = settings.BASE_DIR / ".pytest_cache" / "compiled"


def compile_once(folder: Path = _FOLDER) -> None:
    """Has whoever starts the evaluator from now on take what the first one on a machine made.

    In every process of the tests: those that come meanwhile wait for it.
    """
    wasm_client.Module = SimpleNamespace(
        from_file=lambda engine, path: _compiled(engine, Path(path), folder)
    )


def _compiled(engine: Engine, source: Path, folder: Path) -> Module:
    name = f"{source.stem}-{version('zetasql')}-wasmtime-{version('wasmtime')}"
    with _alone(folder / f"{name}.lock"):
        # Of another processor, or cut short, it is refused as what cannot be read.
        with suppress(WasmtimeError):
            return Module.deserialize_file(engine, str(folder / name))
        made = _compile(source)
        with suppress(OSError):
            _write(folder / name, made)
        return Module.deserialize(engine, made)


def _compile(source: Path) -> bytearray:
    """In two thirds of the time, at a quarter more for what then runs: a test runs little of it."""
    config = Config()
    config.cranelift_flag_set("regalloc_algorithm", "single_pass")
    return Module.from_file(Engine(config), str(source)).serialize()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """No other process is within; where nothing can be written there may be."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: bytes | bytearray) -> None:
    """All of it or nothing: who reads it may be in a process that was not told to wait."""
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
