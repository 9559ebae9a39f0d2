import copy

from hypothesis import example, given
from hypothesis import strategies as st

from backend.forecasting.errors import ForecastingError, SettingError, printable, shown
from backend.forecasting.tests.support.texts import CHARACTERS


@given(st.text(CHARACTERS))
@example("\x1b[2J\u202e\ud800\u2028")
def test_printable__leaves_nothing_that_moves_a_cursor_or_turns_a_line(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


def test_printable__keeps_letters_of_all_scripts() -> None:
    assert printable("Aníbal\x00 شركة\u2028 🛢\ud800.") == "Aníbal  شركة  🛢 ."


def test_printable__keeps_what_it_is_told_to() -> None:
    assert printable("one\ntwo\r\n", kept="\n") == "one\ntwo \n"


@given(st.text(CHARACTERS, max_size=1000))
def test_shown__is_one_line_of_bounded_length(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= 263


def test_shown__is_whole_up_to_its_length() -> None:
    assert shown("x" * 260) == "x" * 260
    assert shown("x" * 261) == "x" * 260 + "..."
    assert shown("\n" * 131) == "\\n" * 130 + "..."


def test_json__has_what_was_wrong_and_what_to_do_where_they_are_apart() -> None:
    plain, setting = ForecastingError("a\x1bb\nc"), SettingError("a\nb", "c\nd")
    assert plain.as_json() == {"error": "a b\nc", "hint": None}
    assert setting.as_json() == {"error": "a b", "hint": "c d"}
    assert [str(setting), str(SettingError("a", "b?"))] == ["a\nb: c\nd.", "a: b?"]


def test_setting_error__is_the_same_after_a_journey_to_another_process() -> None:
    error = SettingError("a", "b")
    again = copy.copy(error)
    assert (str(again), again.as_json()) == (str(error), error.as_json())
