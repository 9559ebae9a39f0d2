"""What was agreed on, whole: words and drawings of which each detail is seen by somebody.

A test by its own says why something is so; here nothing else changes unnoticed beside it.
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "oracles"


def assert_agreed(name: str, shown: Any, tmp_path: Path) -> None:
    """Fails where it is not what the file says, and leaves what it is beside the test."""
    new = tmp_path / name
    new.write_text(f"{json.dumps(shown, indent=1, sort_keys=True, ensure_ascii=False)}\n", "utf-8")
    agreed = json.loads((FOLDER / name).read_text("utf-8"))
    assert shown
    assert json.loads(new.read_text("utf-8")) == agreed, f"if it is meant, {new} is agreed on"
