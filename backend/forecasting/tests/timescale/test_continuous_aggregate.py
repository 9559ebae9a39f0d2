"""The continuous aggregate of docs/scaling.md, run as it stands there."""

import pytest

from backend.forecasting.tests.test_scaling import blocks_of
from backend.forecasting.tests.timescale.scene import execute

pytestmark = pytest.mark.usefixtures("hypertables")

TABLE = """
CREATE TABLE entity_mentions (entity_id int, mentioned_at timestamptz NOT NULL, score float8);
SELECT create_hypertable('entity_mentions', by_range('mentioned_at'));
INSERT INTO entity_mentions VALUES
    (1, '2026-03-01 00:00Z', 10), (1, '2026-03-01 23:59Z', 20), (1, '2026-03-02 00:00Z', 5);
"""


def test_continuous_aggregate__has_a_row_for_each_entity_and_day_in_utc() -> None:
    (block,) = blocks_of("On TimescaleDB")
    try:
        for statement in f"{TABLE}{block}".split(";\n"):
            if statement.strip():
                execute(statement)
        rows = execute(
            "SELECT entity_id, (mentioned_at AT TIME ZONE 'UTC')::text, risk_score"
            " FROM entity_scores_daily ORDER BY 2"
        )
    finally:
        execute("DROP TABLE IF EXISTS entity_mentions CASCADE")
    assert rows == [(1, "2026-03-01 00:00:00", 15), (1, "2026-03-02 00:00:00", 5)]
