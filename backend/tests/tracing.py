"""Coverage is of the product: the stand-in's threads, which only work for it, are not traced."""

import sys
import threading
from types import FrameType
from typing import Any

_PREFIXES = ("localcloud-", "AnyIO worker thread")
"""How the names of the stand-in's threads begin, and of those of the emulator under it."""


def leave_stand_in_untraced() -> None:
    """Spares threads that begin from now on a call for each line of theirs, where one is made."""
    trace: Any = threading.gettrace()

    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        """Called by a new thread, at its first step."""
        if threading.current_thread().name.startswith(_PREFIXES):
            sys.settrace(None)
            return None
        return trace(frame, event, argument)

    if trace is not None:
        threading.settrace(begin)
