"""docs/training.md is tried: its program against Google's client, its SQL against the analyzer."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from google.protobuf.json_format import MessageToDict

from backend.forecasting.tests.oracles.googlesql import (
    TRAINING_TABLE,
    BigQuery,
    Refused,
    statement_kinds,
)
from backend.forecasting.tests.oracles.vertex import vertex_ai
from backend.forecasting.tests.test_training_spec import spec
from backend.localcloud.googlesql.undone import refuse_undone
from backend.localcloud.http.errors import NotDone

pytestmark = pytest.mark.untraced

TEXT = (django_settings.BASE_DIR / "docs" / "training.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
STATEMENTS = re.findall(r"```sql\n(.*?);\n```", TEXT, re.DOTALL)
TABLE = "PROJECT.intelligence.entity_risk_training_data"


# The program -----------------------------------------------------------------------------------


def run_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the program sends to Vertex AI, as Google's own client has it, by method."""
    (tmp_path / "training.json").write_text(json.dumps(spec()))
    monkeypatch.chdir(tmp_path)
    (program,) = PROGRAMS
    with vertex_ai() as requests:
        exec(compile(program, "training.md", "exec"), {})  # noqa: S102 - our own document
    return {name: MessageToDict(type(r).pb(r)) for name, r in requests}


@pytest.mark.filterwarnings("ignore")
def test_program__starts_a_training_and_a_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = run_program(tmp_path, monkeypatch)
    table = "bq://demo-project.intelligence.entity_risk_training_data"
    source = sent["CreateDataset"]["dataset"]["metadata"]["inputConfig"]["bigquerySource"]
    assert source == {"uri": f"{table}_training"}
    pipeline = sent["CreateTrainingPipeline"]["trainingPipeline"]
    inputs, split = pipeline["trainingTaskInputs"], pipeline["inputDataConfig"]["timestampSplit"]
    assert (inputs["forecastHorizon"], inputs["contextWindow"]) == (9, 18)
    assert (inputs["targetColumn"], inputs["windowConfig"]) == (
        "risk_score",
        {"column": "observed"},
    )
    assert split["key"] == inputs["timeColumn"] == "mentioned_at"
    assert pipeline["trainingTaskDefinition"].endswith(
        "/time_series_dense_encoder_forecasting_1.0.0.yaml"
    )
    prediction = sent["CreateBatchPredictionJob"]["batchPredictionJob"]
    assert prediction["inputConfig"]["bigquerySource"] == {"inputUri": f"{table}_forecast"}
    assert prediction["model"].endswith("/models/1")
    assert capsys.readouterr().out.splitlines() == [prediction["model"], "predictions_1"]


def test_program__is_one_of_twenty_lines() -> None:
    (program,) = PROGRAMS
    assert len(program.splitlines()) <= 20


# The SQL ---------------------------------------------------------------------------------------

UNKNOWN = {"AI.FORECAST": "AI_FORECAST", "AI.EVALUATE": "AI_EVALUATE"}
"""What the analyzer does not know, and what it is called here: with the documented arguments."""

FORECAST = {
    "entity_id": "STRING",
    "forecast_timestamp": "TIMESTAMP",
    "forecast_value": "FLOAT64",
    "prediction_interval_lower_bound": "FLOAT64",
    "prediction_interval_upper_bound": "FLOAT64",
    "ai_forecast_status": "STRING",
}
FIGURES = {"row_count": "INT64", "mae": "FLOAT64", "wape": "FLOAT64"}
ARGUMENTS = {
    **dict.fromkeys(("data_col", "timestamp_col", "model"), "STRING"),
    "id_cols": "ARRAY<STRING>",
    "horizon": "INT64",
}
GOOGLE = BigQuery(
    tables={
        f"{TABLE}_training": {**TRAINING_TABLE, "observed": "BOOL"},
        f"{TABLE}_forecast": {**TRAINING_TABLE, "observed": "BOOL"},
        "PROJECT.intelligence.predictions_2026_01_31": {
            **TRAINING_TABLE,
            "predicted_risk_score": "STRUCT<value FLOAT64>",
        },
        "ml_forecast": FORECAST,
    },
    functions={
        "AI_FORECAST": (["history"], ARGUMENTS, FORECAST),
        "AI_EVALUATE": (["history", "actual"], ARGUMENTS, {"mean_absolute_error": "FLOAT64"}),
    },
)


def known(statement: str) -> str:
    """The statement with nothing in it that the analyzer has never heard of."""
    for name, ours in UNKNOWN.items():
        statement = statement.replace(name, ours)
    # Takes a model, and no table that could be wrong.
    return re.sub(r"ML\.FORECAST\(\n.*?\n\)", "ml_forecast", statement, flags=re.DOTALL)


EXPECTED = [
    ("QueryStmt", {"entity_id": "STRING", "mentioned_at": "TIMESTAMP", "forecast": "FLOAT64"}),
    ("QueryStmt", {name: kind for name, kind in FORECAST.items() if "status" not in name}),
    ("QueryStmt", FIGURES),
    ("QueryStmt", {"mean_absolute_error": "FLOAT64"}),
    (
        "CreateModelStmt",
        {n: TRAINING_TABLE[n] for n in ("entity_id", "mentioned_at", "risk_score")},
    ),
    ("QueryStmt", FIGURES),
]


def test_statements__are_parsed_as_they_stand() -> None:
    kinds = [kind for statement in STATEMENTS for kind in statement_kinds(statement)]
    assert kinds == [*["ASTQueryStatement"] * 4, "ASTCreateModelStatement", "ASTQueryStatement"]


def test_statements__are_analyzed_but_for_what_the_analyzer_does_not_know() -> None:
    analyzed = [GOOGLE.analyze_statement(known(statement)) for statement in STATEMENTS]
    assert [(found.kind, found.columns) for found in analyzed] == EXPECTED


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("risk_score", "score"),
        ("horizon =>", "horizon_days =>"),
        ("forecast_value", "forecasted"),
        ("observed", "seen"),
    ],
)
def test_statements__a_wrong_name_is_refused(right: str, wrong: str) -> None:
    refused = 0
    for statement in STATEMENTS:
        try:
            GOOGLE.analyze_statement(known(statement.replace(right, wrong)))
        except Refused:
            refused += 1
    assert refused


def test_statements__of_the_analyzer_alone_say_which_it_does_not_know() -> None:
    unknown = []
    for statement in STATEMENTS:
        try:
            replace(GOOGLE, functions={}).analyze_statement(statement)
        except Refused as refused:
            unknown += re.findall(r"function not found: ([\w.]+)", str(refused))
    assert unknown == ["AI.FORECAST", "AI.FORECAST", "AI.EVALUATE", "ML.FORECAST"]
    for name in {*unknown, "CREATE MODEL"}:
        assert f"`{name}`" in TEXT.rsplit("\n\n", 1)[1]


def test_statements__the_stand_in_refuses_what_it_does_not_do() -> None:
    assert len(STATEMENTS) > 3
    for statement in STATEMENTS[1:]:
        with pytest.raises(NotDone):
            refuse_undone(statement)
