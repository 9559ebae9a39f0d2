#!/usr/bin/env python
"""Entry point of Django's management commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(_interrupted())


def _interrupted() -> int:
    """Says so; the exit status."""
    from backend.forecasting.errors import ForecastingError
    from backend.forecasting.management.usage import answer_early

    answer_early(ForecastingError("Interrupted."))
    sys.stderr.write("Interrupted.\n")
    return 130


if __name__ == "__main__":
    main()
