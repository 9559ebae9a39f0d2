"""Numbers as the findings and the report say them."""


def count_bytes(number: int | None) -> str:
    """` (1,234 bytes read)`, to go after a message; nothing where Google did not say."""
    return "" if number is None else f" ({number:,} bytes read)"


def count_things(number: int, noun: str) -> str:
    """`1 check`, `2 checks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
