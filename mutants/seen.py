"""Called by each function of an instrumented product: notes which test has come there.

One line for each pair, appended at once: processes of a test may end in any way.
"""

import os

_seen: set[tuple[str, str]] = set()


def seen(place: str) -> None:
    """Note the place for the test under way, in this process or in the one that started it."""
    test = os.environ.get("MUTANTS_SHARED") or os.environ.get("PYTEST_CURRENT_TEST", "")
    record = os.environ.get("MUTANTS_RECORD")
    if record and (test, place) not in _seen:
        _seen.add((test, place))
        with open(record, "a", encoding="utf-8") as file:  # noqa: PTH123 - a test may patch Path
            file.write(f"{place}\t{test}\n")
