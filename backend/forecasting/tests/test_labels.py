"""Short labels: nothing of a name that tells it from others is lost, in any script."""

import pytest

from backend.forecasting.output.labels import label_names, one_line


def test_labels__no_two_are_alike() -> None:
    names = {"a" * 36: "Bank", "b" * 36: "Bank", "bbbbbbbb-other": "Bank", "c": "Bank (bbbbbbbb)"}
    labels = label_names(names, 28)
    assert list(labels.values()) == ["Bank", "Bank (bbbbbbbb)", "Bank #2", "Bank (bbbbbbbb) (c)"]


@pytest.mark.parametrize("length", [16, 28])
def test_labels__long_names_lose_their_middle(length: int) -> None:
    names = {f"{n}": f"Telecomunicaciones de Paraguaná número {n}" for n in range(12)}
    labels = label_names(names, length)
    assert len(set(labels.values())) == len(names)
    for key, label in labels.items():
        assert len(label) <= length
        assert label.startswith("Telec")
        assert label.endswith(f"{key}")


def test_labels__that_differ_in_their_middle_only_are_numbered_within_the_length() -> None:
    names = {f"{n}": f"Banco {'x' * 30}{n}{'y' * 30} S.A." for n in range(3)}
    labels = list(label_names(names, 16).values())
    assert len(set(labels)) == 3
    assert [len(label) <= 16 for label in labels] == [True] * 3


@pytest.mark.parametrize(("length", "cut"), [(13, "Banco…Ahorro"), (15, "Banco d…Ahorro")])
def test_labels__no_space_is_left_beside_the_dots(length: int, cut: str) -> None:
    (label,) = label_names({"a": "Banco de Venezuela y del Ahorro"}, length).values()
    assert label == cut


@pytest.mark.parametrize(("length", "second"), [(23, "Bank #2"), (24, "Bank (bbbbbbbb)")])
def test_labels__have_some_of_the_id_where_there_is_room(length: int, second: str) -> None:
    names = dict.fromkeys(("a" * 36, "b" * 36), "Bank")
    assert list(label_names(names, length).values()) == ["Bank", second]


def test_labels__that_a_name_has_already_are_passed_over() -> None:
    names = {"1": "Bank #2", "2": "Bank", "3": "Bank", "4": "Bank"}
    assert list(label_names(names, 16).values()) == ["Bank #2", "Bank", "Bank #3", "Bank #4"]


@pytest.mark.parametrize(
    ("name", "length", "cut"),
    [
        ("abcdefgh", 8, "abcdefgh"),
        ("abcdefghi", 8, "abcd…ghi"),
        ("abcdefghi", 7, "abc…ghi"),
        ("abc\u200cdefgh", 6, "abc…gh"),
        ("ab\u65e5\u672cefgh", 7, "ab…fgh"),
        ("abcdef\u200cgh", 6, "abc…gh"),
    ],
)
def test_labels__are_cut_in_the_middle(name: str, length: int, cut: str) -> None:
    assert label_names({"a": name}, length) == {"a": cut}


def test_labels__ideographs_take_two_columns() -> None:
    (label,) = label_names({"a": "委内瑞拉石油公司天然气分公司"}, 15).values()
    assert label == "委内瑞…分公司"


def test_labels__marks_take_no_column() -> None:
    name = "e\u0301" * 14
    assert label_names({"a": name}, 14) == {"a": name}


def test_labels__no_mark_or_joiner_is_left_without_its_letter() -> None:
    (label,) = label_names({"a": "a" * 20 + "e\u0301" + "b" * 6}, 14).values()
    assert label == f"{'a' * 7}…{'b' * 6}"


def test_one_line__keeps_what_a_script_needs_and_nothing_that_moves_a_line() -> None:
    family, hindi = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "क्\u200dष"
    assert one_line(f"{family}\n{hindi}\u202e\x1b[31m") == f"{family} {hindi} [31m"
