"""Others who make the same scheduled query at the same time, as Google knows no unique names.

Each maker looks again after its own create, and takes its own back where another one stays.
"""

from datetime import datetime, timedelta
from typing import cast

from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from ..google.clients import Clients
from ..google.replies import readable
from ..google.retrying import LIST_LOOKS
from ..google.waiting import rounds
from .transfer_configs import age, observe_scheduled_queries

# A run that lost the race to create removes its own within a request or two.
_SETTLING_SECONDS = 10.0
_NEW = timedelta(minutes=2)
# Shorter than what others wait: they shall find one only.
_RIVAL_SECONDS = 4.0


def observe_settled(clients: Clients, parent: str, name: str) -> tuple[TransferConfig, ...]:
    """The scheduled queries that are ours, when no other run is just making one.

    Of several, one that is new may still be taken back by its maker, and is waited for.
    """
    found: tuple[TransferConfig, ...] = ()
    for _ in rounds(min(_SETTLING_SECONDS, clients.deadline.left)):
        found = observe_scheduled_queries(clients, parent, name)
        if len(found) < 2:
            break
        newest = max(cast(datetime, config.update_time) for config in found)
        if abs(clients.clock.now() - newest) >= _NEW:
            break
    return found


def find_rival(
    clients: Clients, parent: str, name: str, created: TransferConfig
) -> TransferConfig | None:
    """Another scheduled query of ours that came before, or stays; None where there is none.

    The earliest is not taken back at once but waits for the others to go. Another one that
    stays was kept by its maker, who saw it alone, and only looks younger: there is no creation
    time, and somebody has updated it since. A list may be older than what is there, so that
    several have to show no other.
    """
    others: list[TransferConfig] = []
    for _ in clients.attempts(LIST_LOOKS):
        others, ours = _look_beside(clients, parent, name, created)
        if others:
            break
    for number in rounds(min(_RIVAL_SECONDS, clients.deadline.left)):
        if number > 1:
            others, ours = _look_beside(clients, parent, name, created)
        if not others or age(ours) >= min(map(age, others)):
            break
    return min(others, key=age, default=None)


def _look_beside(
    clients: Clients, parent: str, name: str, created: TransferConfig
) -> tuple[list[TransferConfig], TransferConfig]:
    """The others of ours, and the one that was created as it is now."""
    with readable():
        found = observe_scheduled_queries(clients, parent, name)
        others = [config for config in found if config.name != created.name]
        return others, next((c for c in found if c.name == created.name), created)
