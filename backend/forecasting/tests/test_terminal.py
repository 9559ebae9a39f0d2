"""Lines for a terminal of any width, with or without colours."""

import pytest

from backend.forecasting.output.terminal import cells, columns, wants_no_colour, wrap

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


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("    one two three four five", ["    one two three", "      four five"]),
        ("         one two three", ["         one two", "  three"]),
        ("        one two three", ["        one two", "          three"]),
        ("FAIL  one two three four", ["FAIL  one two three", "      four"]),
        ("ab  cdef  one two three", ["ab  cdef  one two", "          three"]),
        ("ab  cdefg  one two three", ["ab  cdefg  one two", "  three"]),
        (
            "\x1b[31mFAIL\x1b[0m  one two three four",
            ["\x1b[31mFAIL\x1b[0m  one two three", "      four"],
        ),
        ("one  two three four five", ["one  two three four", "     five"]),
    ],
)
def test_wrap__goes_on_under_the_text_unless_that_begins_beyond_the_middle(
    line: str, made: list[str]
) -> None:
    assert lines(line, 20) == made


@pytest.mark.parametrize("command", ["gcloud", "bq", "python", "psql", "pip"])
def test_wrap__keeps_each_kind_of_command_whole(command: str) -> None:
    line = f"  {command} {WORDS}"
    assert wrap(line, 30) == line
    assert len(lines(f"{command}x {WORDS}", 30)) > 1
    assert len(lines(f"run {command} {WORDS}", 30)) > 1


def test_wrap__of_an_address_that_words_follow_is_in_lines() -> None:
    assert len(lines(f"See https://example.com/a {WORDS}", 30)) > 1


def test_columns__are_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert columns() == 77


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("e\u0301", 1),
        ("\u65e5", 2),
        ("\uff21", 2),
        ("\uff71", 1),
        ("\x1b[1;31mx", 1),
    ],
)
def test_cells__are_those_that_a_terminal_takes(text: str, width: int) -> None:
    assert cells(text) == width
