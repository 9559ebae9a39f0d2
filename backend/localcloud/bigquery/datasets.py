"""BigQuery datasets: bqemulator's catalog, with Google's rules in front of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from backend.localcloud.bigquery.namesakes import refuse_namesake
from backend.localcloud.bqemulator.catalog import Catalog
from backend.localcloud.http.call import Call
from backend.localcloud.http.discovery import check_resource
from backend.localcloud.http.errors import (
    AlreadyExists,
    ConditionNotMet,
    InvalidArgument,
    NotFound,
)
from backend.localcloud.http.paging import page

DATASET_ID = re.compile(r"\w{1,1024}\Z", re.ASCII)
LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]+\Z")
LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}\Z")
DEFAULT_ACCESS = [
    {"role": "WRITER", "specialGroup": "projectWriters"},
    {"role": "OWNER", "specialGroup": "projectOwners"},
    {"role": "READER", "specialGroup": "projectReaders"},
]
# https://cloud.google.com/bigquery/docs/time-travel: 2 to 7 days, in hours.
SHORTEST_TRAVEL, LONGEST_TRAVEL = 48, 168
# Kept as they were sent, and given back; the stand-in makes nothing of them.
KEPT = (
    "defaultCollation",
    "defaultRoundingMode",
    "isCaseInsensitive",
    "maxTimeTravelHours",
    "resourceTags",
    "storageBillingModel",
    "defaultEncryptionConfiguration",
)


@dataclass
class Datasets:
    """The datasets of every project; what bqemulator does not keep is in `kept`."""

    store: Catalog
    kept: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def insert(self, call: Call) -> dict[str, Any]:
        project, body = call.params["project"], call.object()
        check_resource("Dataset", body)
        dataset = body.get("datasetReference", {}).get("datasetId", "")
        if not DATASET_ID.match(dataset):
            raise InvalidArgument(f'Invalid dataset ID "{dataset}".')
        location = body.setdefault("location", "US")
        if not LOCATION.match(location):
            raise InvalidArgument(f"Invalid value for location: {location} is not a valid value")
        check_labels(body.get("labels"))
        _check_travel(body)
        body.setdefault("access", DEFAULT_ACCESS)
        with self.store.turn:
            if self.store.get_dataset(project, dataset):
                raise AlreadyExists(f"Already Exists: Dataset {project}:{dataset}")
            refuse_namesake(self.store, project, dataset)
            self.kept[project, dataset] = {k: body[k] for k in KEPT if k in body}
            self.store.insert_dataset(project, body)
            return self.to_json(project, dataset)

    def get(self, call: Call) -> dict[str, Any]:
        return self.to_json(call.params["project"], call.params["dataset"])

    def list(self, call: Call) -> dict[str, Any]:
        project = call.params["project"]
        with self.store.turn:
            found = [
                _listed(self.store.dataset_json(meta)) for meta in self.store.list_datasets(project)
            ]
        size = call.number("maxResults", 0) or 1000
        answer = {"kind": "bigquery#datasetList", "etag": f'"{len(found)}"'}
        return answer | page(found, "datasets", size, call.argument("pageToken"))

    def patch(self, call: Call) -> dict[str, Any]:
        return self._change(call, replace=False)

    def update(self, call: Call) -> dict[str, Any]:
        return self._change(call, replace=True)

    def delete(self, call: Call) -> dict[str, Any]:
        project, dataset = call.params["project"], call.params["dataset"]
        with self.store.turn:
            check_etag(call, self.to_json(project, dataset))
            contents = call.argument("deleteContents").lower() == "true"
            if self.store.list_tables(project, dataset) and not contents:
                raise InvalidArgument(
                    f"Dataset {project}:{dataset} is still in use", reason="resourceInUse"
                )
            self.store.delete_dataset(project, dataset)
            self.kept.pop((project, dataset), None)
        return {}

    def location(self, project: str, dataset: str) -> str | None:
        """Where a dataset is; None where there is no such dataset."""
        meta = self.store.get_dataset(project, dataset)
        return meta.location if meta else None

    def travel_hours(self, project: str, dataset: str) -> int:
        """How far back its tables can be read."""
        return int(
            self.kept.get((project, dataset), {}).get("maxTimeTravelHours") or LONGEST_TRAVEL
        )

    def find(self, project: str, dataset: str) -> Any:
        meta = self.store.get_dataset(project, dataset)
        if meta is None:
            raise NotFound(f"Not found: Dataset {project}:{dataset}")
        return meta

    def to_json(self, project: str, dataset: str) -> dict[str, Any]:
        body = self.store.dataset_json(self.find(project, dataset))
        return body | self.kept.get((project, dataset), {})

    def _change(self, call: Call, *, replace: bool) -> dict[str, Any]:
        project, dataset, body = call.params["project"], call.params["dataset"], call.object()
        check_resource("Dataset", body)
        with self.store.turn:
            current = self.to_json(project, dataset)
            check_etag(call, current)
            if body.get("location", current["location"]) != current["location"]:
                raise InvalidArgument("Cannot change the location of a dataset")
            if "labels" in body and not replace:
                body["labels"] = merged_labels(current.get("labels", {}), body["labels"])
            check_labels(body.get("labels"))
            _check_travel(body)
            for name in ("friendlyName", "description", "labels"):
                if replace:
                    body.setdefault(name, None)
            self.kept.setdefault((project, dataset), {}).update(
                {k: body[k] for k in KEPT if k in body}
            )
            self.store.update_dataset(project, dataset, body)
            return self.to_json(project, dataset)


def _listed(dataset: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "datasetReference", "labels", "friendlyName", "location")
    return {"kind": "bigquery#dataset"} | {n: dataset[n] for n in names if n in dataset}


def check_etag(call: Call, current: dict[str, Any]) -> None:
    """Refuse a change of something that is no longer what the caller has read."""
    wanted = call.headers.get("if-match", "*")
    if wanted not in ("*", current["etag"]):
        raise ConditionNotMet


def _check_travel(body: dict[str, Any]) -> None:
    """Refuse a time travel window that is none."""
    hours = int(body.get("maxTimeTravelHours") or LONGEST_TRAVEL)
    if hours % 24 or not SHORTEST_TRAVEL <= hours <= LONGEST_TRAVEL:
        raise InvalidArgument(f"Invalid value for maxTimeTravelHours: {hours}")


def check_labels(labels: dict[str, Any] | None) -> None:
    for key, value in (labels or {}).items():
        if not LABEL_KEY.match(key):
            raise InvalidArgument(f'Invalid field "labels": key "{key}" is not valid')
        if not isinstance(value, str) or not LABEL_VALUE.match(value):
            raise InvalidArgument(f'Invalid field "labels": value "{value}" is not valid')
    if len(labels or {}) > 64:
        raise InvalidArgument("At most 64 labels are allowed")


def merged_labels(current: dict[str, str], changes: dict[str, Any] | None) -> dict[str, str]:
    """Labels after a patch, in which null removes one."""
    merged = {**current, **(changes or {})}
    return {key: value for key, value in merged.items() if value is not None}
