"""google-cloud-aiplatform with its transport mocked: its own code up to the wire, and no wire.

Whatever client it makes gets a channel that answers as Vertex AI does where all goes well, at
once, and keeps the requests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock, patch

import grpc
from google.auth.credentials import AnonymousCredentials

_PARENT = "projects/demo-project/locations/us-central1"


@contextmanager
def vertex_ai() -> Iterator[list[tuple[str, Any]]]:
    """Yields the requests, each with its method's name, in the order in which they were sent."""
    requests: list[tuple[str, Any]] = []
    login = (AnonymousCredentials(), "demo-project")
    channel = _Channel(requests)
    with (
        patch("google.api_core.grpc_helpers.create_channel", lambda *_, **__: channel),
        patch("google.auth.default", lambda *_, **__: login),
    ):
        yield requests


class _Channel(grpc.Channel):  # type: ignore[misc]  # grpc has no types
    """A channel to all services of Vertex AI at once; they use no streams."""

    def __init__(self, requests: list[tuple[str, Any]]) -> None:
        self.requests = requests
        self.answers = _answers()

    def unary_unary(
        self, method: str, request_serializer: Any, response_deserializer: Any, *_: Any
    ) -> "_Call":
        return _Call(self, method.rsplit("/", 1)[1], request_serializer, response_deserializer)

    def _nothing(self, *_: Any, **__: Any) -> Any:
        return Mock()

    unary_stream = stream_unary = stream_stream = subscribe = unsubscribe = _nothing
    close = __enter__ = __exit__ = _nothing


class _Call(grpc.UnaryUnaryMultiCallable):  # type: ignore[misc]
    def __init__(self, channel: _Channel, name: str, write: Any, read: Any) -> None:
        self.channel, self.name, self.write, self.read = channel, name, write, read

    def with_call(self, request: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        assert self.write(request) is not None  # as the wire would have it
        self.channel.requests.append((self.name, request))
        return self.read(self.channel.answers[self.name]), Mock()

    def __call__(self, request: Any, *_: Any, **__: Any) -> Any:
        return self.with_call(request)[0]

    future = __call__


def _answers() -> dict[str, bytes]:
    """The messages by method: each thing is made at once, and done when it is looked at."""
    from google.cloud.aiplatform import schema
    from google.cloud.aiplatform_v1 import types
    from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped]

    kind = schema.dataset.metadata.time_series
    dataset = types.Dataset(name=f"{_PARENT}/datasets/1", metadata_schema_uri=kind)
    model = types.Model(name=f"{_PARENT}/models/1")
    created = Operation(name=f"{_PARENT}/operations/1", done=True)
    created.response.Pack(types.Dataset.pb(dataset))
    pipeline = types.TrainingPipeline(name=f"{_PARENT}/trainingPipelines/1")
    job = types.BatchPredictionJob(name=f"{_PARENT}/batchPredictionJobs/1")
    written = types.BatchPredictionJob.OutputInfo(bigquery_output_table="predictions_1")
    trained = types.TrainingPipeline(
        name=pipeline.name,
        state=types.PipelineState.PIPELINE_STATE_SUCCEEDED,
        model_to_upload=model,
    )
    predicted = types.BatchPredictionJob(
        name=job.name, state=types.JobState.JOB_STATE_SUCCEEDED, output_info=written
    )
    answers: dict[str, Any] = {
        "GetDataset": dataset,
        "CreateTrainingPipeline": pipeline,
        "GetTrainingPipeline": trained,
        "GetModel": model,
        "CreateBatchPredictionJob": job,
        "GetBatchPredictionJob": predicted,
    }
    plain = {name: type(answer).serialize(answer) for name, answer in answers.items()}
    return {**plain, "CreateDataset": created.SerializeToString()}
