#!/usr/bin/env python
"""Entry point of Django's management commands."""

# No more than this, and the rest where it is used: Ctrl-C is not told of before.
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from backend.forecasting.errors import ForecastingError

_SETTINGS = "DJANGO_SETTINGS_MODULE"


def main() -> None:
    if sys.argv[1:] and sys.argv[1].startswith("bq_"):
        _handle_signals(_end)
    os.environ[_SETTINGS] = os.environ.get(_SETTINGS) or "backend.config.settings"
    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        _tell_interrupted()
        sys.exit(128 + signal.SIGINT)
    except (ImportError, TypeError, ValueError):
        if not _is_module(os.environ[_SETTINGS]):
            raise _refuse_settings(os.environ[_SETTINGS]) from None
        raise
    finally:
        # Nobody would catch from here on what Python's own handler raises.
        _handle_signals(signal.SIG_DFL)


def _handle_signals(handler: object) -> None:
    """But for one that whoever started the process has it ignore (`nohup`, a shell's `&`)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)  # type: ignore[arg-type]


def _end(number: int, _frame: object) -> None:
    """End at once, before the command has its own handlers: nothing is there yet to clean up.

    An exception would not do, which imports turn into others.
    """
    _handle_signals(signal.SIG_DFL)
    try:
        _tell_interrupted()
    finally:
        os._exit(128 + number)


def _tell_interrupted() -> None:
    try:
        from backend.forecasting.errors import ForecastingError

        sentence = _early_end(ForecastingError("Interrupted.")).code
    except Exception:  # noqa: BLE001 - what is just being imported may lack anything
        sentence = "Interrupted."
    if sys.stderr is not None:
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()


def _is_module(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return not name.startswith(".") and find_spec(name) is not None
    except ModuleNotFoundError as error:
        # What a package around it imports and lacks is a fault of that package.
        return not f"{name}.".startswith(f"{error.name}.")


def _refuse_settings(name: str) -> SystemExit:
    from backend.forecasting.errors import SettingError, shown

    problem = f'--settings or {_SETTINGS} is "{shown(name)}"'
    return _early_end(SettingError(problem, "expected the name of a module that is there, or none"))


def _early_end(error: "ForecastingError") -> SystemExit:
    from backend.forecasting.management.usage import end_early

    as_event = os.environ.get("FORECASTING_LOG_FORMAT") == "json"
    return end_early(error, as_event=as_event)


if __name__ == "__main__":
    main()
