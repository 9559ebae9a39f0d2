"""The mocks of Google's clients, which refuse what the real ones would."""

import pytest

from backend.forecasting.tests.support.mocks import mock_of


class Client:
    def get(self, name: str, *, timeout: float = 1) -> str:
        return f"{name} within {timeout}"

    def drop(self, name: str) -> None: ...


@pytest.mark.parametrize("calls", [("x", "y"), ()], ids=len)
def test_mock__refuses_arguments_that_the_method_does_not_take(calls: tuple[str, ...]) -> None:
    with pytest.raises(TypeError):
        mock_of(Client, ("get",)).get(*calls)


def test_mock__refuses_other_names() -> None:
    mock = mock_of(Client, ("get",))
    for of, missing in ((mock, "drop"), (mock.get, "called_once")):
        with pytest.raises(AttributeError):
            getattr(of, missing)


def test_mock__is_told_positions_from_names_no_more_than_the_method() -> None:
    mock = mock_of(Client, ("get",))
    mock.get("x", timeout=2)
    mock.get.assert_called_once_with(name="x", timeout=2)
    with pytest.raises(AssertionError):
        mock.get.assert_called_once_with("x")


def test_mock__has_calls_and_answers_of_its_own() -> None:
    first, second = mock_of(Client, ("get", "drop")), mock_of(Client, ("get", "drop"))
    first.get.return_value = "told"
    assert (first.get("x"), first.drop("y")) == ("told", first.drop.return_value)
    assert [call[0] for call in first.method_calls] == ["get", "drop"]
    assert second.get("x") != "told"
    assert len(second.method_calls) == 1
