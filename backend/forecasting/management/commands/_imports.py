"""What a process that ends with its command need not import."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

_ARROW = ("pyarrow", "google.cloud.bigquery_storage_v1")


@contextmanager
def without_arrow() -> Iterator[None]:
    """Keep BigQuery's client from importing what reads Arrow, where it is installed.

    It does so for data frames, of which there are none here, and it takes as long as all the rest
    of the client. What is imported already stays.
    """
    kept_out = [name for name in _ARROW if name not in sys.modules]
    # So Python knows a module that cannot be imported.
    sys.modules.update(dict.fromkeys(kept_out, cast(ModuleType, None)))
    try:
        yield
    finally:
        for name in kept_out:
            sys.modules.pop(name, None)
