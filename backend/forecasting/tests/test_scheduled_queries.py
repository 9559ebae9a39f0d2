from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import Conflict, RetryError
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from backend.forecasting.conf import Config
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.provisioning import scheduled_queries
from backend.forecasting.provisioning.engine import apply_step, plan_step
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.provisioning.schedule_forms import schedule_of
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.factories import (
    PROJECT,
    SERVICE_ACCOUNT,
    TOPIC,
    TRANSFER_NAME,
    Google,
    changes_of,
    google_error,
    make_config,
    make_transfer,
    retry_error,
)

PARENT = f"projects/{PROJECT}/locations/us-central1"
NAME = f"Nightly load of {PROJECT}.intelligence.entity_risk_training_data"
ME, SOMEBODY = "deployer@example.com", "gone@example.com"


@pytest.fixture
def spec(config: Config) -> ScheduledQuerySpec:
    return ScheduledQuerySpec.from_config(config)


@pytest.fixture
def owned_spec() -> ScheduledQuerySpec:
    """With the service account and the topic that are not owned unless configured."""
    config = make_config(service_account=SERVICE_ACCOUNT, notification_topic=TOPIC)
    return ScheduledQuerySpec.from_config(config)


def named(config: Config, number: int, **fields: Any) -> TransferConfig:
    return make_transfer(config, name=f"{TRANSFER_NAME}{number}", **fields)


def owned_by(email: str) -> dict[str, Any]:
    return {"owner_info": {"email": email}}


def update(google: Google, spec: ScheduledQuerySpec, found: TransferConfig) -> Any:
    """The request that repairs `found`."""
    google.transfers.update_transfer_config.return_value = found
    assert spec.update(google, [found], spec.plan([found])) == (found,)
    call = google.transfers.update_transfer_config.call_args
    assert call.kwargs["timeout"] == TIMEOUT
    return call.args[0]


# Absent


def test_query__absent_is_planned(spec: ScheduledQuerySpec, config: Config) -> None:
    plan = spec.plan(None)
    assert (plan.kind, plan.name, plan.action) == ("scheduled_query", NAME, Action.CREATE)
    assert changes_of(plan) == {
        "schedule": (None, "every day 02:00 UTC"),
        "query": (None, render_nightly_load(config)),
    }


def test_query__absent_is_planned_with_what_is_configured(owned_spec: ScheduledQuerySpec) -> None:
    changes = changes_of(owned_spec.plan(None))
    assert changes["service_account"] == (None, SERVICE_ACCOUNT)
    assert changes["notification_topic"] == (None, TOPIC)


@pytest.mark.trap("destination")
def test_create__sends_the_script_without_destination(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    created = make_transfer(config)
    google.transfers.create_transfer_config.return_value = created
    google.transfers.list_transfer_configs.return_value = [created]
    assert spec.create(google) == (created,)
    call = google.transfers.create_transfer_config.call_args
    assert call.args[0].parent == PARENT
    assert call.args[0].service_account_name == ""
    assert call.args[0].transfer_config == TransferConfig(
        display_name=NAME,
        data_source_id="scheduled_query",
        params={"query": render_nightly_load(config)},
        schedule="every day 02:00",
    )
    # Not even an empty destination: only then is the field left out of the request.
    assert "destination_dataset_id" not in call.args[0].transfer_config
    assert call.kwargs == {"retry": None, "timeout": TIMEOUT}


def test_create__sends_service_account_and_topic(
    google: Google, owned_spec: ScheduledQuerySpec, config: Config
) -> None:
    google.transfers.create_transfer_config.return_value = make_transfer(config)
    google.transfers.list_transfer_configs.return_value = [make_transfer(config)]
    owned_spec.create(google)
    request = google.transfers.create_transfer_config.call_args.args[0]
    assert request.service_account_name == SERVICE_ACCOUNT
    assert request.transfer_config.notification_pubsub_topic == TOPIC


def two_made(config: Config, *, ours_first: bool) -> tuple[TransferConfig, TransferConfig]:
    """Somebody else's and ours, last updated a second apart."""
    moments = [datetime(2026, 3, 1, 9, 0, second, tzinfo=UTC) for second in (0, 1)]
    theirs, ours = reversed(moments) if ours_first else moments
    return named(config, 1, update_time=theirs), named(config, 2, update_time=ours)


@pytest.mark.trap("twice")
@pytest.mark.parametrize("listed_first", [True, False])
def test_create__takes_its_own_back_where_another_came_first(
    google: Google, spec: ScheduledQuerySpec, config: Config, listed_first: bool
) -> None:
    theirs, ours = two_made(config, ours_first=False)
    google.transfers.create_transfer_config.return_value = ours
    google.transfers.list_transfer_configs.return_value = (
        [ours, theirs] if listed_first else [theirs, ours]
    )
    with pytest.raises(Conflict, match=theirs.name):
        spec.create(google)
    assert google.transfers.delete_transfer_config.call_args.kwargs["name"] == ours.name
    assert google.transfers.delete_transfer_config.call_count == 1


@pytest.mark.usefixtures("fast_clock")
def test_create__keeps_its_own_where_it_came_first_and_the_other_goes(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    theirs, ours = two_made(config, ours_first=True)
    google.transfers.create_transfer_config.return_value = ours
    google.transfers.list_transfer_configs.side_effect = [[theirs, ours], [theirs, ours], [ours]]
    assert spec.create(google) == (ours,)
    assert not google.transfers.delete_transfer_config.called


@pytest.mark.usefixtures("fast_clock")
def test_create__takes_its_own_back_where_the_other_stays(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    """The other one came first and was updated since, so that it looks younger."""
    updated, ours = two_made(config, ours_first=True)
    google.transfers.create_transfer_config.return_value = ours
    google.transfers.list_transfer_configs.return_value = [updated, ours]
    with pytest.raises(Conflict, match=updated.name):
        spec.create(google)
    assert google.transfers.delete_transfer_config.call_args.kwargs["name"] == ours.name


def test_create__takes_its_own_back_once_it_is_updated_and_no_longer_the_earliest(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    """So that of two that wait for each other only one goes."""
    moments = [datetime(2026, 3, 1, 9, 0, second, tzinfo=UTC) for second in range(3)]
    ours, theirs = (
        named(config, 2, update_time=moments[0]),
        named(config, 1, update_time=moments[1]),
    )
    updated = named(config, 2, update_time=moments[2])
    google.transfers.create_transfer_config.return_value = ours
    google.transfers.list_transfer_configs.side_effect = [[ours, theirs], [updated, theirs]]
    with pytest.raises(Conflict, match=theirs.name):
        spec.create(google)
    assert google.transfers.delete_transfer_config.call_count == 1


@pytest.mark.usefixtures("fast_clock")
@pytest.mark.parametrize(("number", "stays"), [(1, True), (2, False)])
def test_create__at_the_same_moment_both_runs_keep_the_same_one(
    google: Google,
    spec: ScheduledQuerySpec,
    config: Config,
    number: int,
    stays: bool,
) -> None:
    both = [named(config, 1), named(config, 2)]
    google.transfers.create_transfer_config.return_value = both[number - 1]
    google.transfers.list_transfer_configs.side_effect = [both, both[:1]]
    with nullcontext() if stays else pytest.raises(Conflict):
        spec.create(google)
    assert google.transfers.delete_transfer_config.called is not stays


def test_create__keeps_its_own_where_the_list_does_not_show_it_yet(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    created = make_transfer(config)
    google.transfers.create_transfer_config.return_value = created
    google.transfers.list_transfer_configs.return_value = []
    assert spec.create(google) == (created,)
    assert not google.transfers.delete_transfer_config.called


# Observe


def test_observe__asks_for_all_scheduled_queries_of_the_location(
    google: Google, spec: ScheduledQuerySpec
) -> None:
    google.transfers.list_transfer_configs.return_value = []
    assert spec.observe(google) is None
    call = google.transfers.list_transfer_configs.call_args
    assert call.args[0].parent == PARENT
    assert list(call.args[0].data_source_ids) == ["scheduled_query"]
    assert call.args[0].page_size == 1000
    assert call.kwargs["timeout"] == TIMEOUT


@pytest.mark.parametrize(
    ("fields", "ours"),
    [
        ({}, True),
        ({"display_name": "renamed"}, True),
        ({"params": {"query": "SELECT 1"}}, True),
        ({"display_name": "renamed", "params": {"query": "SELECT 1"}}, False),
        ({"display_name": f"{NAME}_v2", "params": {"query": f"-- {NAME}_v2\nSELECT 1"}}, False),
        ({"display_name": "", "params": {}}, False),
    ],
)
def test_observe__knows_ours_by_display_name_or_first_line(
    google: Google, spec: ScheduledQuerySpec, config: Config, fields: dict[str, Any], ours: bool
) -> None:
    found = make_transfer(config, **fields)
    google.transfers.list_transfer_configs.return_value = [found]
    google.transfers.get_transfer_config.return_value = found
    assert spec.observe(google) == ((found,) if ours else None)


def test_observe__of_what_is_equal_costs_one_request(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    google.transfers.list_transfer_configs.return_value = [make_transfer(config)]
    spec.observe(google)
    assert google.calls == ["list_transfer_configs"]


def test_observe__asks_for_the_owner_where_something_differs(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    """Only a single look-up has the owner."""
    full = make_transfer(config, disabled=True, **owned_by(ME))
    google.transfers.list_transfer_configs.return_value = [make_transfer(config, disabled=True)]
    google.transfers.get_transfer_config.return_value = full
    assert spec.observe(google) == (full,)
    assert google.transfers.get_transfer_config.call_args.kwargs["name"] == TRANSFER_NAME
    assert google.transfers.get_transfer_config.call_args.kwargs["timeout"] == TIMEOUT


def test_observe__asks_for_the_owner_where_one_is_configured(
    google: Google, owned_spec: ScheduledQuerySpec, config: Config
) -> None:
    google.transfers.list_transfer_configs.return_value = [
        make_transfer(config, notification_pubsub_topic=TOPIC)
    ]
    owned_spec.observe(google)
    assert google.calls == ["list_transfer_configs", "get_transfer_config"]


# Equal


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"display_name": "Renamed in the console"},
        {"email_preferences": {"enable_failure_email": True}},
        {"schedule": "every  day 02:00"},
        {"destination_dataset_id": ""},
        {"params": None},
        {"notification_pubsub_topic": "projects/other/topics/theirs"},
        {"schedule_options": {"start_time": datetime(2026, 1, 1, tzinfo=UTC)}},
        owned_by(SOMEBODY),
    ],
)
def test_query__equal_or_differing_in_what_is_not_ours_is_left_alone(
    spec: ScheduledQuerySpec, config: Config, fields: dict[str, Any]
) -> None:
    if "params" in fields:
        script = render_nightly_load(config)
        fields = {"params": {"query": script, "destination_table_name_template": ""}}
    expected = Plan(kind="scheduled_query", name=NAME, action=Action.UNCHANGED)
    assert spec.plan([make_transfer(config, **fields)]) == expected


def test_query__schedule_in_the_newer_form_is_no_difference(
    spec: ScheduledQuerySpec, config: Config
) -> None:
    newer = {"time_based_schedule": {"schedule": "every day 02:00"}}
    found = make_transfer(config, schedule="", schedule_options_v2=newer)
    assert spec.plan([found]).action is Action.UNCHANGED
    assert schedule_of(found) == "every day 02:00 UTC"


def test_query__configured_account_and_topic_are_no_difference(
    owned_spec: ScheduledQuerySpec, config: Config
) -> None:
    found = make_transfer(config, notification_pubsub_topic=TOPIC, **owned_by(SERVICE_ACCOUNT))
    assert owned_spec.plan([found]).action is Action.UNCHANGED


# Differs: repaired in place


@pytest.mark.parametrize(
    ("fields", "change", "mask"),
    [
        ({"schedule": "every day 03:00"}, ("schedule", "every day 03:00 UTC"), "schedule"),
        ({"schedule": ""}, ("schedule", "none"), "schedule"),
        ({"disabled": True}, ("disabled", "on"), "disabled"),
        (
            {"schedule_options": {"disable_auto_scheduling": True}},
            ("automatic", "off"),
            "schedule_options",
        ),
        (
            {"schedule_options": {"end_time": datetime(2026, 4, 1, tzinfo=UTC)}},
            ("ends", "2026-04-01 00:00 UTC"),
            "schedule_options",
        ),
        (
            {"destination_dataset_id": "intelligence"},
            ("destination_dataset", "intelligence"),
            "destination_dataset_id",
        ),
    ],
)
def test_field__is_repaired_by_itself(
    google: Google,
    spec: ScheduledQuerySpec,
    config: Config,
    fields: dict[str, Any],
    change: tuple[str, str],
    mask: str,
) -> None:
    found = make_transfer(config, **fields)
    plan = spec.plan([found])
    assert plan.action is Action.UPDATE
    assert [(c.field, c.before) for c in plan.changes] == [change]
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == [mask]
    assert request.transfer_config.name == TRANSFER_NAME
    assert request.service_account_name == ""


def test_query_text__is_repaired_and_the_params_sent_whole(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    found = make_transfer(config, params={"query": f"-- {NAME}\nSELECT 1"})
    assert spec.plan([found]).fields == {"query"}
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == ["params"]
    assert dict(request.transfer_config.params) == {"query": render_nightly_load(config)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("write_disposition", "WRITE_TRUNCATE"),
        ("destination_table_name_template", "other"),
        ("partitioning_field", "mentioned_at"),
    ],
)
def test_params__that_a_script_cannot_have_are_taken_away(
    google: Google, spec: ScheduledQuerySpec, config: Config, key: str, value: str
) -> None:
    script = render_nightly_load(config)
    found = make_transfer(config, params={"query": script, key: value})
    assert changes_of(spec.plan([found])) == {f"params.{key}": (value, None)}
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == ["params"]
    assert dict(request.transfer_config.params) == {"query": script}


@pytest.mark.trap("destination")
def test_update__clears_a_destination_by_an_explicit_empty_value(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    request = update(google, spec, make_transfer(config, destination_dataset_id="intelligence"))
    assert "destination_dataset_id" in request.transfer_config
    assert request.transfer_config.destination_dataset_id == ""


def test_update__of_the_end_keeps_the_start_and_turns_the_schedule_on(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    options = {"start_time": start, "end_time": end, "disable_auto_scheduling": True}
    request = update(google, spec, make_transfer(config, schedule_options=options))
    sent = request.transfer_config.schedule_options
    assert sent.start_time == start
    assert "end_time" not in sent
    assert sent.disable_auto_scheduling is False


@pytest.mark.parametrize(
    ("fields", "change", "mask"),
    [
        ({}, ("notification_topic", None, TOPIC), "notification_pubsub_topic"),
        (
            {"notification_pubsub_topic": "projects/p/topics/other"},
            ("notification_topic", "projects/p/topics/other", TOPIC),
            "notification_pubsub_topic",
        ),
        (
            {"notification_pubsub_topic": TOPIC, **owned_by(SOMEBODY)},
            ("service_account", SOMEBODY, SERVICE_ACCOUNT),
            "service_account_name",
        ),
    ],
)
def test_configured_field__is_repaired(
    google: Google,
    owned_spec: ScheduledQuerySpec,
    config: Config,
    fields: dict[str, Any],
    change: tuple[str, str | None, str],
    mask: str,
) -> None:
    found = make_transfer(config, **{**owned_by(SERVICE_ACCOUNT), **fields})
    plan = owned_spec.plan([found])
    assert [(c.field, c.before, c.after) for c in plan.changes] == [change]
    request = update(google, owned_spec, found)
    assert set(request.update_mask.paths) == {mask, "service_account_name"}
    assert request.service_account_name == SERVICE_ACCOUNT
    assert request.transfer_config.notification_pubsub_topic == TOPIC


def test_update__of_everything_at_once(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    """Half-made: recognized by its name only, wrong in every owned field."""
    found = make_transfer(
        config,
        params={"query": "SELECT 1", "write_disposition": "WRITE_APPEND"},
        schedule="every 6 hours",
        disabled=True,
        destination_dataset_id="intelligence",
        schedule_options={"disable_auto_scheduling": True},
    )
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == [
        "destination_dataset_id",
        "disabled",
        "params",
        "schedule",
        "schedule_options",
    ]


# Conflicts


def test_query__several_of_ours_are_a_conflict(spec: ScheduledQuerySpec, config: Config) -> None:
    """Those that differ: nobody but an operator knows which is meant."""
    plan = spec.plan([named(config, 1), named(config, 2, disabled=True)])
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"scheduled queries": (f"{TRANSFER_NAME}1, {TRANSFER_NAME}2", "one")}
    assert plan.remedy == (
        "They would load the same table: delete all but one (bq rm --transfer_config NAME) and run "
        "this again."
    )


def test_query__started_by_events_is_a_conflict(spec: ScheduledQuerySpec, config: Config) -> None:
    options = {"event_driven_schedule": {"pubsub_subscription": "s"}}
    plan = spec.plan([make_transfer(config, schedule="", schedule_options_v2=options)])
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"trigger": ("events", "schedule")}
    assert plan.remedy.startswith("Have it run by a schedule and not by events")


@pytest.mark.parametrize(
    "fields",
    [
        {"params": {"query": f"-- {NAME}\nSELECT 1"}},
        {"destination_dataset_id": "intelligence"},
    ],
)
def test_query__restricted_field_of_another_owner_is_a_conflict(
    config: Config, fields: dict[str, Any]
) -> None:
    spec = ScheduledQuerySpec.from_config(config, acting_as=ME)
    plan = spec.plan([make_transfer(config, **fields, **owned_by(SOMEBODY))])
    assert plan.action is Action.CONFLICT
    assert changes_of(plan) == {"owner": (SOMEBODY, ME)}
    assert plan.remedy == (
        "Give FORECASTING_SERVICE_ACCOUNT to take it over, let its owner run this command, or "
        "delete it (bq rm --transfer_config NAME) and run this again."
    )


def test_query__unrestricted_field_of_another_owner_is_updated(config: Config) -> None:
    spec = ScheduledQuerySpec.from_config(config, acting_as=ME)
    plan = spec.plan([make_transfer(config, disabled=True, **owned_by(SOMEBODY))])
    assert plan.action is Action.UPDATE


def test_query__of_another_owner_that_is_as_it_should_be_is_unchanged(config: Config) -> None:
    spec = ScheduledQuerySpec.from_config(config, acting_as=ME)
    assert spec.plan([make_transfer(config, **owned_by(SOMEBODY))]).action is Action.UNCHANGED


@pytest.mark.parametrize("acting_as", ["", ME])
def test_query__of_our_own_or_by_somebody_unknown_is_updated(
    config: Config, acting_as: str
) -> None:
    spec = ScheduledQuerySpec.from_config(config, acting_as=acting_as)
    found = make_transfer(config, destination_dataset_id="intelligence", **owned_by(ME))
    assert spec.plan([found]).action is Action.UPDATE


def test_query__of_another_owner_is_taken_over_by_a_service_account(
    google: Google, config: Config
) -> None:
    spec = ScheduledQuerySpec.from_config(
        make_config(service_account=SERVICE_ACCOUNT), acting_as=ME
    )
    found = make_transfer(config, destination_dataset_id="intelligence", **owned_by(SOMEBODY))
    assert spec.plan([found]).fields == {"destination_dataset", "service_account"}
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == ["destination_dataset_id", "service_account_name"]


# Another run is just making one


def race(config: Config, *, age: timedelta) -> list[TransferConfig]:
    """Two of ours, the later one made `age` ago."""
    return [
        named(config, 1, update_time=datetime(2026, 3, 1, tzinfo=UTC)),
        named(config, 2, update_time=datetime.now(UTC) - age, destination_dataset_id="x"),
    ]


@pytest.mark.usefixtures("fast_clock")
def test_observe__waits_until_the_loser_has_taken_its_own_back(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    both = race(config, age=timedelta(seconds=1))
    google.transfers.list_transfer_configs.side_effect = [both, both, both[:1]]
    assert spec.observe(google) == (both[0],)


def of_second_form(config: Config, **options: Any) -> TransferConfig:
    """As Google answers what a newer client has edited."""
    timed = {"time_based_schedule": {"schedule": config.schedule, **options}}
    return make_transfer(config, schedule="", schedule_options_v2=timed)


def test_second_form__that_is_as_it_should_be_is_unchanged(
    spec: ScheduledQuerySpec, config: Config
) -> None:
    assert spec.plan([of_second_form(config)]).action is Action.UNCHANGED


def test_second_form__that_has_an_end_is_written_in_that_form(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    found = of_second_form(config, start_time=start, end_time=end, schedule="every day 05:00")
    changes = changes_of(spec.plan([found]))
    assert changes["ends"] == ("2026-02-01 00:00 UTC", None)
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == ["schedule_options_v2"]
    sent = request.transfer_config
    assert (sent.schedule, "schedule_options" in sent) == ("", False)
    timed = sent.schedule_options_v2.time_based_schedule
    assert (timed.schedule, timed.start_time) == (config.schedule, start)
    assert "end_time" not in timed


def test_second_form__that_runs_by_hand_only_gets_its_schedule_back(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    """It is that form's way to say that nothing starts by itself."""
    found = make_transfer(config, schedule="", schedule_options_v2={"manual_schedule": {}})
    assert changes_of(spec.plan([found])) == {
        "schedule": ("by hand only", f"{config.schedule} UTC"),
        "automatic": ("off", "on"),
    }
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == ["schedule_options_v2"]
    options = request.transfer_config.schedule_options_v2
    assert options.time_based_schedule.schedule == config.schedule
    assert "manual_schedule" not in options


def test_second_form__is_left_as_it_is_where_the_script_differs(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    found = of_second_form(config)
    found.params.update({"query": "SELECT 1"})
    request = update(google, spec, found)
    assert list(request.update_mask.paths) == ["params"]
    assert not request.transfer_config.schedule


def test_update__of_twins_takes_the_younger_back(google: Google, config: Config) -> None:
    """Makers that were ended in a race leave them: the older stays, whatever the order."""
    old = make_transfer(config, name="z-old")
    later = datetime(2026, 3, 1, 9, 0, 3, tzinfo=UTC)
    young = make_transfer(config, name="a-young", update_time=later)
    google.transfers.list_transfer_configs.side_effect = lambda *_, **__: [young, old]
    google.transfers.get_transfer_config.return_value = old
    spec = ScheduledQuerySpec.from_config(config)
    step = plan_step(spec, google)
    assert step.plan.action is Action.UPDATE
    assert [(c.field, c.before, c.after) for c in step.plan.changes] == [("twins", "a-young", None)]
    assert apply_step(step, google).observed == (old,)
    assert google.writes == ["delete_transfer_config"]
    assert google.transfers.delete_transfer_config.call_args.kwargs["name"] == "a-young"


def test_observe__of_two_that_have_been_there_for_long_does_not_wait(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    both = race(config, age=timedelta(hours=1))
    google.transfers.list_transfer_configs.return_value = both
    assert spec.observe(google) == tuple(both)
    assert google.calls == ["list_transfer_configs"]


@pytest.mark.usefixtures("fast_clock")
def test_observe__of_two_that_stay_is_both_of_them(
    google: Google, spec: ScheduledQuerySpec, config: Config
) -> None:
    both = race(config, age=timedelta(seconds=1))
    google.transfers.list_transfer_configs.return_value = both
    assert spec.observe(google) == tuple(both)


def test_observe__that_google_never_answered_is_not_taken_for_absent(
    google: Google, spec: ScheduledQuerySpec
) -> None:
    """Else a second scheduled query would be made."""
    error = retry_error(google_error(503, "busy"))
    google.transfers.list_transfer_configs.side_effect = error
    with pytest.raises(RetryError):
        spec.observe(google)


@pytest.mark.parametrize("stale", [1, 2])
def test_create__is_taken_back_although_lists_are_stale(
    google: Google, spec: ScheduledQuerySpec, config: Config, stale: int
) -> None:
    """Those right after it show neither of the two, or only the one that was made here."""
    first, second = named(config, 1), named(config, 2, update_time=datetime.now(UTC))
    google.transfers.create_transfer_config.return_value = second
    lists = iter([*[[second]] * stale, *[[first, second]] * 9])
    google.transfers.list_transfer_configs.side_effect = lambda *_, **__: next(lists)
    with pytest.raises(Conflict):
        spec.create(google)
    google.transfers.delete_transfer_config.assert_called_once()
    assert google.transfers.delete_transfer_config.call_args.kwargs["name"] == second.name


@pytest.mark.parametrize("runs_now", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_kept__is_what_goes_every_night_and_nothing_at_once(
    google: Google,
    spec: ScheduledQuerySpec,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    runs_now: bool,
    behind: bool,
) -> None:
    monkeypatch.setattr(scheduled_queries, "is_behind", lambda *_: behind)
    kept = replace(spec, runs_now=runs_now).is_kept(google, [make_transfer(config)])
    assert kept is (not runs_now and not behind)
