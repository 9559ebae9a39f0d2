"""The scheduled queries that are there: which are ours, which are twins, who else writes."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from google.cloud.bigquery_datatransfer_v1.types import ListTransferConfigsRequest, TransferConfig

from ..google.clients import Clients
from ..sql.writes import writes_to
from .schedule_forms import schedule_of

DATA_SOURCE = "scheduled_query"


def script_of(scheduled: TransferConfig) -> str:
    """The text that a scheduled query stores."""
    return str(dict(scheduled.params or {}).get("query") or "")


def observe_scheduled_queries(
    clients: Clients, parent: str, name: str
) -> tuple[TransferConfig, ...]:
    """The scheduled queries whose script or display name is that of the load called `name`."""
    request = _listing(parent)

    def read() -> tuple[TransferConfig, ...]:
        return ours(clients.transfers.list_transfer_configs(request, **clients.repeating), name)

    return clients.surely(read)


def list_scheduled_queries(clients: Clients, parent: str) -> tuple[TransferConfig, ...]:
    """All the scheduled queries of a location, somebody else's too."""
    request = _listing(parent)
    return clients.surely(
        lambda: tuple(clients.transfers.list_transfer_configs(request, **clients.repeating))
    )


def _listing(parent: str) -> ListTransferConfigsRequest:
    return ListTransferConfigsRequest(parent=parent, data_source_ids=[DATA_SOURCE], page_size=1000)


def ours(configs: Iterable[TransferConfig], name: str) -> tuple[TransferConfig, ...]:
    """Those of the load called `name`; of disabled ones only the oldest, and none beside others.

    A copy that is disabled loads nothing, and is in nobody's way.
    """
    found = sorted((config for config in configs if _is_ours(config, name)), key=age)
    return tuple(config for config in found if not config.disabled) or tuple(found[:1])


def other_writers(
    configs: Iterable[TransferConfig], table_id: str, name: str
) -> tuple[TransferConfig, ...]:
    """The enabled ones of somebody else that write to the table, whatever they are called."""
    return tuple(
        config
        for config in configs
        if not config.disabled and not _is_ours(config, name) and _writes(config, table_id)
    )


def other_readers(
    configs: Iterable[TransferConfig], connection_name: str, name: str
) -> tuple[TransferConfig, ...]:
    """The enabled ones of somebody else, or of another table, that read through a connection."""
    # In any of the forms that EXTERNAL_QUERY takes; a location has connections of its own.
    connection = re.compile(rf"[./]{re.escape(connection_name.rpartition('/')[2])}[\"']")
    return tuple(
        config
        for config in configs
        if not config.disabled
        and not _is_ours(config, name)
        and "EXTERNAL_QUERY" in script_of(config).upper()
        and connection.search(script_of(config))
    )


def _writes(config: TransferConfig, table_id: str) -> bool:
    """By its destination, of which a part may be a day, or by what its text says."""
    params, (_, dataset, table) = dict(config.params or {}), table_id.rsplit(".", 2)
    into = str(params.get("destination_table_name_template") or "").partition("$")[0]
    if config.destination_dataset_id == dataset and into == table:
        return True
    return writes_to(script_of(config), table_id, config.destination_dataset_id)


def _is_ours(config: TransferConfig, name: str) -> bool:
    return config.display_name == name or script_of(config).startswith(f"-- {name}\n")


def age(config: TransferConfig) -> tuple[Any, str]:
    """To sort by, the oldest first. There is no creation time; an update is no earlier than it."""
    return config.update_time, config.name


def all_alike(configs: Sequence[TransferConfig]) -> bool:
    """Whether one would do for all, which holds for a single one too."""
    return bool(configs) and all(_likeness(c) == _likeness(configs[0]) for c in configs)


def _likeness(config: TransferConfig) -> tuple[Any, ...]:
    """What makes it do what it does."""
    return (
        dict(config.params or {}),
        schedule_of(config),
        config.schedule_options,
        config.schedule_options_v2,
        config.disabled,
        config.destination_dataset_id,
        config.notification_pubsub_topic,
        config.user_id,
    )
