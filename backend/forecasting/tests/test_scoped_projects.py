"""A project of a domain has a dot in its name, which parts no dataset from it."""

import pytest
from google.cloud import bigquery
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig

from backend.forecasting.conf import Config
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.provisioning.transfer_configs import other_writers
from backend.forecasting.provisioning.views import ViewSpec
from backend.forecasting.sql.queries import render_partitions
from backend.forecasting.sql.writes import writes_to
from backend.forecasting.tests.support.factories import make_config

TABLE = "example.com:demo-project.intelligence.risk"
OTHER = "other.com:demo-project.intelligence.risk"


@pytest.fixture
def config() -> Config:
    return make_config(project="example.com:demo-project", dataset="intelligence", table="risk")


def test_table__is_named_as_bq_names_it(config: Config) -> None:
    found = bigquery.Table(TABLE)
    found._properties["type"] = "TABLE"
    assert "bq cp example.com:demo-project:intelligence.risk " in TableSpec.from_config(
        config
    ).remedy(found)


def test_view__is_named_as_bq_names_it(config: Config) -> None:
    view = ViewSpec(view_id=f"{TABLE}_training", query="SELECT 1", description="")
    found = bigquery.Table(view.view_id)
    found._properties["type"] = "TABLE"
    assert "bq rm example.com:demo-project:intelligence.risk_training)" in view.remedy(found)


def test_partitions__are_those_of_the_dataset() -> None:
    view = "`example.com:demo-project`.`intelligence`.INFORMATION_SCHEMA.PARTITIONS"
    assert view.replace("`", "") in render_partitions(TABLE).replace("`", "")


@pytest.mark.parametrize("named", [f"`{TABLE}`", "intelligence.risk"])
def test_writes__are_seen(named: str) -> None:
    assert writes_to(f"DELETE FROM {named} WHERE TRUE", TABLE)
    assert not writes_to(f"DELETE FROM `{OTHER}` WHERE TRUE", TABLE)


def test_writers__have_the_table_for_their_destination() -> None:
    theirs = TransferConfig(
        display_name="theirs",
        destination_dataset_id="intelligence",
        params={"query": "SELECT 1", "destination_table_name_template": "risk$20260101"},
    )
    assert other_writers([theirs], TABLE, "ours") == (theirs,)
