"""What the Data Transfer Service keeps: configs, and the runs of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backend.localcloud.clock import timestamp
from backend.localcloud.http.errors import NotFound
from backend.localcloud.http.names import Place, Projects, split_name
from backend.localcloud.iam import CALLER, service_account

UNFINISHED = ("PENDING", "RUNNING")


@dataclass
class Run:
    """One run: Google's JSON without its name, and what was logged."""

    id: str
    resource: dict[str, Any]
    messages: list[dict[str, str]] = field(default_factory=list)

    @property
    def unfinished(self) -> bool:
        return self.resource["state"] in UNFINISHED

    def log(self, severity: str, text: str, moment: datetime) -> None:
        entry = {"messageTime": timestamp(moment), "severity": severity, "messageText": text}
        self.messages.append(entry)


@dataclass
class TransferConfig:
    """A config as Google keeps it: `resource` is Google's JSON without what is output only.

    `owner` is who its runs run as; a test may make that somebody else. `next_run` is when the
    scheduler starts it, None for never.
    """

    place: Place
    id: str
    resource: dict[str, Any]
    created: datetime
    updated: datetime
    owner: str = CALLER
    taken_by: str = CALLER
    user_id: str = "1234567890"
    next_run: datetime | None = None
    runs: dict[str, Run] = field(default_factory=dict)

    @property
    def member(self) -> str:
        """Its owner, as a policy writes it."""
        return f"user:{CALLER}" if self.owner == CALLER else service_account(self.owner)


@dataclass
class Records:
    """All transfer configs, by (place, id)."""

    projects: Projects
    items: dict[tuple[Place, str], TransferConfig] = field(default_factory=dict)

    def config(self, name: str) -> TransferConfig:
        """The config of this name, or that a longer name begins with."""
        place, rest = split_name(name, self.projects)
        config = self.items.get((place, rest[1])) if len(rest) > 1 else None
        if config is None:
            raise NotFound(f"Requested entity was not found: {name}")
        return config

    def run(self, name: str) -> tuple[TransferConfig, Run]:
        config = self.config(name)
        run = config.runs.get(split_name(name, self.projects)[1][3])
        if run is None:
            raise NotFound(f"Requested entity was not found: {name}")
        return config, run

    def name_of(self, config: TransferConfig) -> str:
        place = config.place
        number = self.projects.number(place.project)
        return f"projects/{number}/locations/{place.location}/transferConfigs/{config.id}"

    def runs(self) -> list[Run]:
        return [run for config in list(self.items.values()) for run in list(config.runs.values())]
