"""Other scheduled queries that write to the training table, whatever they are called."""

from typing import Any

import pytest
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from backend.forecasting.conf import Config
from backend.forecasting.provisioning.transfer_configs import (
    other_readers,
    other_writers,
    ours,
)
from backend.forecasting.sql.queries import load_name
from backend.forecasting.sql.writes import writes_to
from backend.forecasting.tests.support.factories import make_transfer
from backend.forecasting.tests.support.snapshots import findings_of, make_snapshot

TABLE = "demo-project.intelligence.entity_risk_training_data"
NAMED = f"`{TABLE}`"


@pytest.mark.parametrize(
    "text",
    [
        f"INSERT INTO {NAMED} (entity_id) VALUES ('a')",
        "insert intelligence.entity_risk_training_data select * from x",
        f"DELETE FROM {TABLE} WHERE TRUE",
        "delete\n  `demo-project`.`intelligence` . `entity_risk_training_data` where true",
        f"UPDATE {NAMED} SET risk_score = 0 WHERE TRUE",
        f"-- tidy up\nDECLARE d DATE;\nMERGE INTO {NAMED} AS t USING s ON FALSE",
        f"TRUNCATE TABLE {NAMED}",
        f"CREATE OR REPLACE TABLE {NAMED} AS SELECT 1 AS a",
        f"SELECT 'it''s'; DROP TABLE IF EXISTS {NAMED}",
        f"LOAD DATA OVERWRITE {NAMED} FROM FILES (uris = ['gs://b/x'])",
        f"DELETE FROM -- all of it\n{NAMED} WHERE TRUE",
        f"INSERT /* anew */ INTO # here\n  {NAMED} SELECT 1",
    ],
)
def test_text__that_writes_is_seen(text: str) -> None:
    assert writes_to(text, TABLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"SELECT * FROM {NAMED}",
        f"INSERT INTO d.copy SELECT * FROM {NAMED}",
        f"-- INSERT INTO {NAMED}\nSELECT 1",
        f"# DELETE FROM {NAMED}\nSELECT 1",
        f"/* UPDATE {NAMED}\nSET a = 1 */ SELECT 1",
        f"SELECT 'DELETE FROM {NAMED}', r\"TRUNCATE TABLE {NAMED}\"",
        f"SELECT '''it's INSERT INTO {NAMED}'''",
        f"SELECT 'a \\\\\\' DELETE FROM {NAMED}'",
        f"DELETE FROM `{TABLE}_old` WHERE TRUE",
        "INSERT INTO other.entity_risk_training_data SELECT 1",
        "INSERT INTO `other.intelligence.entity_risk_training_data` SELECT 1",
        "INSERT INTO entity_risk_training_data SELECT 1",
    ],
)
def test_text__that_only_mentions_it_is_no_writer(text: str) -> None:
    assert not writes_to(text, TABLE)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"EXECUTE IMMEDIATE 'DELETE FROM {NAMED} WHERE TRUE'", True),
        (f'execute immediate """\nTRUNCATE TABLE\n{NAMED}"""', True),
        (f"EXECUTE IMMEDIATE FORMAT('DELETE FROM %s WHERE TRUE', '{TABLE}')", True),
        (
            "DECLARE t STRING DEFAULT 'entity_risk_training_data';\n"
            "EXECUTE IMMEDIATE 'DELETE FROM `intelligence.' || t || '` WHERE TRUE'",
            True,
        ),
        ("EXECUTE IMMEDIATE CONCAT('MERGE ', 'entity_risk', '_training_data')", True),
        (f"EXECUTE IMMEDIATE 'SELECT * FROM {NAMED}'", False),
        (f"EXECUTE IMMEDIATE 'INSERT INTO d.copy SELECT * FROM {NAMED}'", False),
        (f"SELECT 'EXECUTE IMMEDIATE', 'DELETE FROM {NAMED} WHERE TRUE'", False),
        (f"EXECUTE IMMEDIATE 'TRUNCATE TABLE d.copy'; SELECT '{TABLE}'", False),
        ("EXECUTE IMMEDIATE FORMAT('DELETE FROM %s', 'd.other')", False),
        (f"ALTER TABLE {NAMED} SET OPTIONS (partition_expiration_days = 1)", True),
    ],
)
def test_text__that_is_put_together_at_run_time_is_seen_by_its_strings(
    text: str, seen: bool
) -> None:
    assert writes_to(text, TABLE) is seen


def test_text__that_writes_is_seen_in_a_project_of_a_domain() -> None:
    assert writes_to("DELETE FROM `example.com:p.d.t` WHERE TRUE", "example.com:p.d.t")


def test_text__without_a_dataset_writes_to_the_destinations() -> None:
    assert writes_to("INSERT INTO entity_risk_training_data SELECT 1", TABLE, "intelligence")


def scheduled(query: str = "SELECT 1", into: str = "", **fields: Any) -> TransferConfig:
    params = {"query": query, "destination_table_name_template": into}
    return TransferConfig({"name": "x/9", "display_name": "Tidy up", "params": params, **fields})


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (scheduled(f"DELETE FROM {NAMED} WHERE TRUE"), True),
        (scheduled(f"DELETE FROM {NAMED} WHERE TRUE", disabled=True), False),
        (
            scheduled(into="entity_risk_training_data", destination_dataset_id="intelligence"),
            True,
        ),
        (
            scheduled(
                into="entity_risk_training_data${run_date}", destination_dataset_id="intelligence"
            ),
            True,
        ),
        (scheduled(into="entity_risk_training_data", destination_dataset_id="other"), False),
        (scheduled(into="copy_{run_date}", destination_dataset_id="intelligence"), False),
    ],
)
def test_writers__are_known_by_text_and_destination(config: TransferConfig, found: bool) -> None:
    assert bool(other_writers([config], TABLE, load_name(TABLE))) is found


def test_writers__are_named_in_a_warning(config: Config) -> None:
    snapshot = make_snapshot(config, writers=[scheduled()])
    found = findings_of(snapshot)["schedule.unique"]
    assert (found.status, '"Tidy up" (x/9)' in found.message) == ("warn", True)


def test_ours__disabled_copy_is_in_nobodys_way(config: Config) -> None:
    on, off = make_transfer(config), make_transfer(config, name="copy", disabled=True)
    name = load_name(config.table_id)
    assert ours([off, on], name) == (on,)
    assert len(ours([off, make_transfer(config, disabled=True)], name)) == 1
    assert len(ours([on, make_transfer(config, name="copy")], name)) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            'FROM EXTERNAL_QUERY("projects/p/locations/us-central1/connections/pg", r"SELECT 1")',
            True,
        ),
        ("from external_query('p.us-central1.pg', 'SELECT 1')", True),
        ("FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT 1')", True),
        ("FROM EXTERNAL_QUERY('us-central1.pg2', 'SELECT 1')", False),
        ("FROM EXTERNAL_QUERY('us-central1.old-pg', 'SELECT 1')", False),
        ("SELECT 'us-central1.pg'", False),
    ],
)
def test_readers__are_known_by_the_connection_in_their_text(
    config: Config, text: str, found: bool
) -> None:
    connection, name = "projects/p/locations/us-central1/connections/pg", load_name(TABLE)
    theirs = make_transfer(config, display_name="theirs", params={"query": text})
    assert bool(other_readers([theirs], connection, name)) is found
    theirs.disabled = True
    ours = make_transfer(config, display_name=name, params={"query": text})
    assert not other_readers([theirs, ours], connection, name)
