"""What the set-up of the load makes of a refusal, and tells of it, without a server."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.errors import ApiError, SourceDatabaseError
from backend.forecasting.google.causes import cause_line
from backend.forecasting.provisioning.connections import ConnectionSpec
from backend.forecasting.provisioning.credentials import Credential
from backend.forecasting.provisioning.engine import Step
from backend.forecasting.provisioning.plan import Action, Plan
from backend.forecasting.provisioning.scheduled_queries import is_of_script
from backend.forecasting.setup import etl
from backend.forecasting.setup.outcome import grant_for
from backend.forecasting.tests.support.factories import (
    CLOUD_SQL_AGENT,
    PROJECT,
    Google,
    change,
    changes_of,
    denied,
    make_connection,
    make_transfer,
)

OUT_OF_REACH = "Failed to connect to PostgreSQL database. Error: timed out"
NO_LOGIN = (
    "Failed to connect to PostgreSQL database. Error: FATAL: role r is not permitted to log in"
)
FULL = "Failed to connect to PostgreSQL database. Error: FATAL: too many connections for role r"
REFUSED = "prepare statement failed. Error: ERROR: permission denied for table x"
GRANT = (
    "Let the connection reach Cloud SQL:\n"
    f"    gcloud projects add-iam-policy-binding {PROJECT} --member "
    f"serviceAccount:{CLOUD_SQL_AGENT} --role roles/cloudsql.client"
)


def step_of(config: Config, action: Action, observed: Any = None) -> Step[Any]:
    spec = ConnectionSpec.from_config(config, Credential(user="u", password="p", versions="v/1"))
    return Step(spec, observed, Plan(kind=spec.kind, name=spec.name, action=action))


@pytest.mark.parametrize("loads", [False, True])
@pytest.mark.parametrize("action", [Action.UNCHANGED, Action.UPDATE])
@pytest.mark.parametrize("refusal", ["", OUT_OF_REACH, REFUSED, NO_LOGIN, FULL])
def test_refusal__is_told_of_a_connection_that_stays_as_it_is(
    config: Config, action: Action, refusal: str, loads: bool
) -> None:
    tell = Mock()
    step = step_of(config, action, make_connection())
    stays = action is Action.UNCHANGED
    refused = stays and (refusal == REFUSED or (refusal == NO_LOGIN and not loads))
    with pytest.raises(SourceDatabaseError) if refused else nullcontext():
        etl._tell_of_refusal(config, step, refusal, tell, loads=loads)
    told = {OUT_OF_REACH: GRANT}
    if stays and not loads:
        told[FULL] = f"The connection cannot be used: {FULL}{cause_line(FULL)}"
    assert [call.args[0] for call in tell.note.call_args_list] == [
        *filter(None, [told.get(refusal)])
    ]


@pytest.mark.parametrize(
    ("action", "field", "told"),
    [
        (Action.UPDATE, "database", True),
        (Action.UPDATE, "instance", True),
        (Action.UPDATE, "credential", False),
        (Action.CREATE, "database", False),
    ],
)
def test_connection__that_others_read_through_is_not_taken_from_them_without_a_word(
    google: Google, config: Config, action: Action, field: str, told: bool
) -> None:
    text = f'SELECT * FROM EXTERNAL_QUERY("{config.connection_name}", "SELECT 1")'
    theirs = make_transfer(config, name="t/1", display_name="theirs", params={"query": text})
    listing = google.transfers.list_transfer_configs
    listing.side_effect = lambda *_, **__: [make_transfer(config), theirs]
    step, tell = step_of(config, action), Mock()
    step = replace(step, plan=replace(step.plan, changes=(change(field, "a", "b"),)))
    etl._tell_of_other_readers(config, google, step, tell)
    said = (
        "Other scheduled queries read through connection postgresql-conn too, and get database "
        f'venezuelawatch of {config.instance} from their next run on: "theirs" (t/1). Unless that '
        "is meant, leave them the connection, and choose another one here with "
        "FORECASTING_CONNECTION_ID."
    )
    assert [call.args[0] for call in tell.note.call_args_list] == ([said] if told else [])
    assert {call.args[0].parent for call in listing.call_args_list} == (
        {config.parent} if told else set()
    )


def test_others__that_may_not_be_looked_at_are_told_with_the_grant(
    google: Google, config: Config
) -> None:
    permission = "bigquery.transfers.get"
    google.transfers.list_transfer_configs.side_effect = denied(permission)
    step = step_of(config, Action.UPDATE)
    step = replace(step, plan=replace(step.plan, changes=(change("database", "a", "b"),)))
    with pytest.raises(ApiError, match=rf"^Looking at the other .+ lack {permission} .+ user:YOUR"):
        etl._tell_of_other_readers(config, google, step, Mock())


def test_refusal__of_a_connection_that_is_not_there_is_none(config: Config) -> None:
    tell = Mock()
    step = step_of(config, Action.CREATE)
    etl._tell_of_refusal(config, step, OUT_OF_REACH, tell, loads=False)
    assert not tell.note.called
    assert grant_for(make_connection(), config) == GRANT


def test_credential__is_sent_once_more_where_nothing_else_is_to_be_done(config: Config) -> None:
    schedule = Mock()
    for action in (Action.UNCHANGED, Action.UPDATE, Action.CREATE):
        connection = step_of(config, action, make_connection())
        steps = etl._EtlSteps(in_the_way=[], connection=connection, schedule=schedule)
        again = steps.with_credential()
        assert again.schedule is schedule
        if action is Action.UNCHANGED:
            assert again.connection.plan.action is Action.UPDATE
            changes = changes_of(again.connection.plan)
            assert changes == {"credential": ("refused by PostgreSQL", "v/1")}
            assert again.connection.observed is connection.observed
        else:
            assert again is steps


@pytest.mark.parametrize(
    ("schemas", "action", "told"),
    [
        (("app", "public"), Action.CREATE, True),
        (("app", "public"), Action.UNCHANGED, False),
        ((), Action.CREATE, False),
    ],
)
def test_search_path__is_told_whenever_a_script_that_goes_by_it_is_stored(
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    schemas: tuple[str, ...],
    action: Action,
    told: bool,
) -> None:
    tell = Mock()
    monkeypatch.setattr(etl, "load_mapping", lambda _: Mock(search_path=schemas))
    etl._tell_of_search_path(config, Plan(kind="k", name="n", action=action), tell)
    said = (
        "Tables are looked for in the schemas app, public, in this order, as Django does. The "
        "connection's role has to do so too: run the script of `bq_setup_etl --print-role-sql` "
        "before the next load, again where an earlier version printed it."
    )
    assert [call.args[0] for call in tell.note.call_args_list] == ([said] if told else [])


def test_grant__is_in_the_project_of_the_instance(config: Config) -> None:
    config = replace(config, instance="example.com:sql-project:us-central1:main")
    assert " add-iam-policy-binding example.com:sql-project --member " in grant_for(
        make_connection(), config
    )


def test_connection__that_may_not_be_looked_at_is_told_with_the_grant(
    google: Google, config: Config
) -> None:
    permission = "bigquery.connections.get"
    google.connections.get_connection.side_effect = denied(permission)
    with pytest.raises(ApiError) as raised:
        etl._observe_connection(config, google)
    assert str(raised.value) == (
        f"Looking at connection {config.connection_name} was refused: the credentials in use lack "
        f"{permission} (no); grant it with `gcloud projects add-iam-policy-binding {PROJECT} "
        "--member user:YOUR_ACCOUNT --role roles/bigquery.connectionAdmin`."
    )


@pytest.mark.parametrize("loads", [True, False])
@pytest.mark.parametrize(
    ("action", "before", "again", "lets_in"),
    [
        (Action.CREATE, None, False, None),
        (Action.UPDATE, "x", False, False),
        (Action.UPDATE, "refused by PostgreSQL", True, True),
        (Action.UNCHANGED, None, None, None),
    ],
)
def test_apply__tells_of_the_grant_and_proves_what_was_changed(
    config: Config,
    google: Google,
    monkeypatch: pytest.MonkeyPatch,
    loads: bool,
    action: Action,
    before: str | None,
    again: bool | None,
    lets_in: bool | None,
) -> None:
    tell, prove = Mock(), Mock(return_value="proved")
    monkeypatch.setattr(etl, "apply_step", lambda step, _: step)
    monkeypatch.setattr(etl, "prove_credential", prove)
    step = step_of(config, action, make_connection())
    changes = () if before is None else (change("credential", before, "v/1"),)
    step = replace(step, plan=replace(step.plan, changes=changes))
    steps = etl._EtlSteps(in_the_way=[], connection=step, schedule=Mock())
    assert steps.apply(config, google, tell, loads=loads) == steps
    notes = [call.args[0] for call in tell.note.call_args_list]
    created, proved = action is Action.CREATE, action is not Action.UNCHANGED
    assert notes == [GRANT] * created + ["proved"] * proved
    asked = {"again": again, "lets_in": not loads if created else lets_in}
    assert [call.kwargs for call in prove.call_args_list] == [asked] * proved


def test_fields__of_the_script_are_its_settings_and_parameters() -> None:
    found = {name: is_of_script(name) for name in ("query", "window_days", "params.x", "schedule")}
    assert found == {"query": True, "window_days": True, "params.x": True, "schedule": False}
