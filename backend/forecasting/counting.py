"""Numbers in words, as every message has them."""


def agree(number: float, one: str, many: str) -> str:
    """The word that goes with a number, such as `has` with 1 and `have` with all others."""
    return one if number == 1 else many


def count_things(number: float, one: str, many: str = "") -> str:
    """`1 check`, `1,234 checks`, `2.5 hours`; `many` where more of them take no plain s."""
    few = round(number, 2) or number  # Of what is left of a time, say.
    return f"{few:,.15g} {agree(few, one, many or f'{one}s')}"


def count_bytes(number: int | None) -> str:
    """` (1,234 bytes read)`, to go after a message; nothing where Google did not say."""
    return "" if number is None else f" ({count_things(number, 'byte')} read)"


def timeout_over(seconds: float) -> str:
    """Why what --timeout has ended was given up."""
    over = agree(seconds, "is", "are")
    return f"the {count_things(seconds, 'second')} of --timeout {over} over"
