"""Lines for a terminal of any width, with or without colours."""

import pytest

from backend.forecasting.output.terminal import cells, wants_no_colour, wrap

WORDS = "the table holds fewer rows than the source says that it should"


def lines(text: str, width: int) -> list[str]:
    return wrap(text, width).split("\n")


@pytest.mark.parametrize("width", [20, 33, 60])
def test_wrap__loses_no_word_and_is_never_too_wide(width: int) -> None:
    made = lines(WORDS, width)
    assert len(made) > 1
    assert " ".join(" ".join(made).split()) == WORDS
    assert max(map(len, made)) <= width


def test_wrap__goes_on_under_the_text_of_its_column() -> None:
    first, second, *_ = lines(f"FAIL  data.rows  {WORDS}", 50)
    assert first.startswith("FAIL  data.rows  the table")
    assert second[:17].isspace()
    assert second[17] != " "


def test_wrap__counts_no_colour_and_every_wide_character() -> None:
    assert cells("\x1b[31mFAIL\x1b[0m") == 4
    assert cells("e\u0301\u65e5") == 3  # One letter of two characters, and a wide one.
    assert lines("\x1b[31m12345678\x1b[0m 12345678 12", 20) == [
        "\x1b[31m12345678\x1b[0m 12345678 12"
    ]
    wide = lines("日本 " * 12, 20)
    assert len(wide) > 2
    assert max(map(cells, wide)) <= 20


@pytest.mark.parametrize(
    "line",
    [
        "    gcloud projects add-iam-policy-binding demo-project --member user:a --role roles/b",
        "See https://console.cloud.google.com/bigquery/scheduled-queries/locations/us/configs/1/runs",
        "x" * 90,
        "",
    ],
)
def test_wrap__keeps_whole_what_is_pasted_or_has_no_space(line: str) -> None:
    assert wrap(line, 30) == line


@pytest.mark.parametrize("width", [0, 1, 19, 20])
def test_wrap__of_a_terminal_without_a_width(width: int) -> None:
    assert lines(WORDS, width) == lines(WORDS, 20)


@pytest.mark.parametrize(
    ("environment", "without"),
    [
        ({}, False),
        ({"NO_COLOR": ""}, False),
        ({"NO_COLOR": "1"}, True),
        ({"NO_COLOR": "0"}, True),
        ({"TERM": "dumb"}, True),
        ({"TERM": "xterm"}, False),
    ],
)
def test_colour__is_the_operators_to_refuse(environment: dict[str, str], without: bool) -> None:
    assert wants_no_colour(environment) is without


def test_wrap__fills_each_line_to_its_last_column() -> None:
    """Of twenty columns all twenty, and the next word goes below."""
    assert lines("123456789 1234567890 x", 20) == ["123456789 1234567890", "  x"]
    assert lines("123456789 12345678901 x", 20) == ["123456789", "  12345678901 x"]
    assert lines("y\n  123456789 12345678 x", 20) == ["y", "  123456789 12345678", "    x"]
