"""The scheduled query that runs the nightly load: a transfer config of Google's."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.api_core.exceptions import Conflict
from google.cloud.bigquery_datatransfer_v1.types import (
    CreateTransferConfigRequest,
    TransferConfig,
    UpdateTransferConfigRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask

from ..conf import Config
from ..google.clients import Clients
from ..google.replies import named, readable
from ..sql.queries import load_name, render_nightly_load
from ..sql.script_head import UNKNOWN_SCRIPT, read_script
from .deleting import as_ordinary, day_of_next_run, deleted_days, is_behind
from .plan import Change, Deletes, Plan, Resource, differences
from .rivals import find_rival, observe_settled
from .schedule_forms import (
    end_of,
    is_automatic,
    is_of_second_form,
    is_started_by_events,
    is_stopped,
    options_of,
    schedule_of,
)
from .script_changes import script_changes
from .transfer_configs import DATA_SOURCE, age, all_alike, script_of

# What an owned field is written to (TransferConfig, datatransfer transfer.proto). All others are
# the script's: they go into `params`, which is one value and always sent whole.
_MASKS = {
    "schedule": "schedule",
    "automatic": "schedule_options",
    "ends": "schedule_options",
    "disabled": "disabled",
    "destination_dataset": "destination_dataset_id",
    "notification_topic": "notification_pubsub_topic",
    "service_account": "service_account_name",
    "twins": "",
}
_RESTRICTED = {"params", "destination_dataset_id"}
_TWINS = "twins"
"""Not a field of Google's: others that are the same in all, which go."""


@dataclass(frozen=True, kw_only=True)
class ScheduledQuerySpec(Resource[Sequence[TransferConfig]]):
    """One enabled scheduled query without destination dataset, in the dataset's location.

    Display names are not unique and ids are made by Google, so ours is recognized by the first
    line of its script, or by the display name, where somebody rewrote the script. A service
    account or a topic that is not configured is not owned: the one that is set stays.

    `acting_as` is the e-mail address of the credentials in use, empty where they do not say.
    `allow_deleting` is the operator's word that days may go which the table has; `runs_now` says
    that a run follows at once.
    """

    parent: str
    table_id: str
    query: str
    schedule: str
    service_account: str
    notification_topic: str
    acting_as: str
    allow_deleting: bool = False
    runs_now: bool = False
    kind = "scheduled_query"

    @classmethod
    def from_config(
        cls,
        config: Config,
        acting_as: str = "",
        *,
        allow_deleting: bool = False,
        runs_now: bool = False,
    ) -> "ScheduledQuerySpec":
        return cls(
            parent=config.parent,
            table_id=config.table_id,
            query=render_nightly_load(config),
            schedule=config.schedule,
            service_account=config.service_account,
            notification_topic=config.notification_topic,
            acting_as=acting_as,
            allow_deleting=allow_deleting,
            runs_now=runs_now,
        )

    @property
    def name(self) -> str:
        return load_name(self.table_id)

    def observe(self, clients: Clients) -> tuple[TransferConfig, ...] | None:
        """All the scheduled queries that are ours; None where there is none.

        The owner is part of a single look-up only, so it costs one more request, which is spent
        where the owner matters.
        """
        found = tuple(sorted(observe_settled(clients, self.parent, self.name), key=age))
        if all_alike(found) and (self.service_account or self.changes(found)):
            name = found[0].name
            whole = clients.surely(
                lambda: clients.transfers.get_transfer_config(name=name, **clients.repeating)
            )
            return (whole, *found[1:])
        return found or None

    def wanted(self) -> dict[str, str]:
        optional = {
            "service_account": self.service_account,
            "notification_topic": self.notification_topic,
        }
        fields = {"schedule": f"{self.schedule} UTC", "query": self.query, **optional}
        return {field: value for field, value in fields.items() if value}

    def create(self, clients: Clients) -> tuple[TransferConfig, ...]:
        """Make the scheduled query, and take it back unless it ends up as the only one.

        The API knows no unique name, so two runs may both create. Each looks again after its own
        create, and keeps it when it has seen it alone: who creates later sees that one. There is
        no retry: a create whose reply is lost is looked for before anything is created again
        (`engine`).
        """
        request = CreateTransferConfigRequest(
            parent=self.parent,
            transfer_config=self._message(),
            service_account_name=self.service_account,
        )
        with readable():
            created = clients.transfers.create_transfer_config(request, **clients.once)
        named(created)
        rival = find_rival(clients, self.parent, self.name, created)
        if rival is None:
            return (created,)
        with readable():
            clients.transfers.delete_transfer_config(name=created.name, **clients.repeating)
        # What Google would answer if names were unique; `engine` then compares the other one.
        raise Conflict(f"scheduled query {rival.name} was created at the same time")

    def update(
        self, clients: Clients, observed: Sequence[TransferConfig], plan: Plan
    ) -> tuple[TransferConfig, ...]:
        """Patch the fields that the plan names; where a service account is configured, as it.

        Those that are there twice are taken back first.
        """
        for twin in observed[1:]:
            with readable():
                clients.transfers.delete_transfer_config(name=twin.name, **clients.repeating)
        if plan.fields == {_TWINS}:
            return (observed[0],)
        fields = plan.fields - {_TWINS} | ({"service_account"} if self.service_account else set())
        request = UpdateTransferConfigRequest(
            transfer_config=self._message(observed[0]),
            update_mask=FieldMask(paths=sorted({_path(field, observed[0]) for field in fields})),
            service_account_name=self.service_account,
        )
        with readable():
            updated = clients.transfers.update_transfer_config(request, **clients.repeating)
        return (named(updated),)

    def changes(self, observed: Sequence[TransferConfig]) -> list[Change]:
        config = observed[0]
        params = dict(config.params or {})
        changes = script_changes(str(params.pop("query", "")), self.query)
        changes += differences(
            *((f"params.{key}", str(value), None) for key, value in params.items() if value),
            ("schedule", schedule_of(config), f"{self.schedule} UTC"),
            ("automatic", _on(is_automatic(config)), "on"),
            ("ends", end_of(config), None),
            ("disabled", _on(config.disabled), "off"),
            ("destination_dataset", config.destination_dataset_id or None, None),
            (_TWINS, ", ".join(twin.name for twin in observed[1:]) or None, None),
        )
        if self.notification_topic:
            topic = config.notification_pubsub_topic or None
            changes += differences(("notification_topic", topic, self.notification_topic))
        if self.service_account and config.owner_info.email:
            owner = config.owner_info.email
            changes += differences(("service_account", owner, self.service_account))
        return changes

    def obstacles(self, observed: Sequence[TransferConfig]) -> list[Change]:
        """What keeps the scheduled query from being updated at all.

        Several that differ are somebody's doing; those that do not are what makers leave that were
        ended before they could take theirs back.
        """
        if not all_alike(observed):
            names = ", ".join(config.name for config in observed)
            return differences(("scheduled queries", names, "one"))
        config = observed[0]
        if is_started_by_events(config):
            return differences(("trigger", "events", "schedule"))
        owner = config.owner_info.email
        restricted = {_mask(change.field) for change in self.changes(observed)} & _RESTRICTED
        if restricted and owner and self.acting_as and not self.service_account:
            return differences(("owner", owner, self.acting_as))
        return []

    def remedy(self, observed: Sequence[TransferConfig]) -> str:
        if not all_alike(observed):
            return (
                "They would load the same table: delete all but one (bq rm --transfer_config NAME) "
                "and run this again."
            )
        if is_started_by_events(observed[0]):
            return (
                "Have it run by a schedule and not by events (in the BigQuery console, under "
                "Scheduled queries), or delete it (bq rm --transfer_config NAME); then run this "
                "again."
            )
        return (
            "Give FORECASTING_SERVICE_ACCOUNT to take it over, let its owner run this command, or "
            "delete it (bq rm --transfer_config NAME) and run this again."
        )

    def deletes(
        self, clients: Clients, observed: Sequence[TransferConfig] | None
    ) -> Deletes | None:
        """What the next run deletes and the stored script, as it is run, does not.

        Where a run follows at once or none has for long, that is all that has left the window.
        """
        wanted, stored, now = read_script(self.query), UNKNOWN_SCRIPT, clients.now()
        next_run, at_once = now.date(), self.runs_now or not observed
        if observed:
            stored = read_script(script_of(observed[0]))
            next_run = next_run if at_once else day_of_next_run(observed[0], now)
            at_once = at_once or is_stopped(observed[0], now) or is_behind(clients, observed[0])
        kept = UNKNOWN_SCRIPT if at_once else stored
        found = deleted_days(clients, self.table_id, wanted, kept, next_run)
        return found if not found or wanted.keeps_less_than(stored) else as_ordinary(found)

    def is_kept(self, clients: Clients, observed: Sequence[TransferConfig]) -> bool:
        return not (self.runs_now or is_behind(clients, observed[0]))

    def keep(self, deletes: Deletes) -> str:
        if self.allow_deleting or deletes.ordinary:
            return ""
        return (
            "Keep them with FORECASTING_KEEP_HISTORY=on (--keep-history) or with the "
            "FORECASTING_WINDOW_DAYS that the table has, or let them go with --allow-deleting."
        )

    def _message(self, observed: TransferConfig | None = None) -> TransferConfig:
        message = TransferConfig(
            display_name=self.name,
            data_source_id=DATA_SOURCE,
            params={"query": self.query},
            schedule=self.schedule,
            notification_pubsub_topic=self.notification_topic,
        )
        if observed is not None:
            message.name = observed.name
            # Explicitly empty: only so is a destination cleared that somebody set.
            message.destination_dataset_id = ""
            if is_of_second_form(observed):
                # Google takes the two forms of a schedule not together.
                message.schedule = ""
                message.schedule_options_v2.time_based_schedule.schedule = self.schedule
            kept, written = options_of(observed), options_of(message)
            if "start_time" in kept:
                written.start_time = kept.start_time
        return message


def is_of_script(field: str) -> bool:
    """Whether a changed field is the script's, or one of the parameters beside it."""
    return _mask(field) == "params"


def _mask(field: str) -> str:
    return _MASKS.get(field, "params")


def _on(value: bool) -> str:
    return "on" if value else "off"


def _path(field: str, observed: TransferConfig) -> str:
    """What a field is written to in the form in which Google keeps the schedule."""
    path = _mask(field)
    of_schedule = path in ("schedule", "schedule_options")
    return "schedule_options_v2" if of_schedule and is_of_second_form(observed) else path
