"""When a scheduled query runs, in either of the two forms in which Google keeps it."""

from datetime import datetime
from typing import Any

from google.cloud.bigquery_datatransfer_v1.types import TransferConfig


def schedule_of(config: TransferConfig) -> str:
    """When the scheduled query runs, in words, whichever of the two forms it is kept in."""
    if "manual_schedule" in config.schedule_options_v2:
        return "by hand only"
    text = config.schedule or config.schedule_options_v2.time_based_schedule.schedule
    return f"{' '.join(text.split())} UTC" if text else "none"


def is_of_second_form(config: TransferConfig) -> bool:
    """Whether the schedule is kept in the newer form, as one that a newer client has edited."""
    options = config.schedule_options_v2
    return "time_based_schedule" in options or "manual_schedule" in options


def is_automatic(config: TransferConfig) -> bool:
    """Whether the schedule starts it, which either form can forbid."""
    by_hand = "manual_schedule" in config.schedule_options_v2
    return not (by_hand or config.schedule_options.disable_auto_scheduling)


def is_stopped(config: TransferConfig, now: datetime) -> bool:
    """Whether no run follows by itself: it is disabled, started by hand only, or has ended."""
    options = options_of(config)
    over = "end_time" in options and options.end_time <= now
    return config.disabled or not is_automatic(config) or over


def options_of(config: TransferConfig) -> Any:
    """What holds the schedule's start and end."""
    if is_of_second_form(config):
        return config.schedule_options_v2.time_based_schedule
    return config.schedule_options


def end_of(config: TransferConfig) -> str | None:
    """When the schedule ends, in words; None where it does not."""
    options = options_of(config)
    return f"{options.end_time:%Y-%m-%d %H:%M} UTC" if "end_time" in options else None


def is_started_by_events(config: TransferConfig) -> bool:
    """Whether messages start it, as a third form of a schedule has it."""
    return "event_driven_schedule" in config.schedule_options_v2
