"""Lists as Google's services answer them, a page at a time."""

from __future__ import annotations

from typing import Any

from backend.localcloud.http.call import whole_number
from backend.localcloud.http.errors import InvalidArgument


def page(found: list[Any], key: str, size: int, token: str) -> dict[str, Any]:
    """One page of a list, and the token of the next."""
    try:
        start = whole_number("pageToken", token or 0)
    except InvalidArgument as error:
        raise InvalidArgument(f"Invalid page token: {token}") from error
    answer: dict[str, Any] = {key: found[start : start + size]} if found else {}
    if start + size < len(found):
        answer["nextPageToken"] = str(start + size)
    return answer
