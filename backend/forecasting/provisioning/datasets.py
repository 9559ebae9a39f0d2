"""The BigQuery dataset that holds the training table."""

from dataclasses import dataclass

from google.cloud import bigquery

from ..conf import Config
from ..google.clients import Clients
from ..google.replies import readable
from .plan import Change, Plan, Resource, differences

_EXPIRATIONS = {
    "default_table_expiration_ms": "defaultTableExpirationMs",
    "default_partition_expiration_ms": "defaultPartitionExpirationMs",
}


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Resource[bigquery.Dataset]):
    """A dataset in one location, whose defaults let no table or partition expire."""

    project: str
    dataset: str
    location: str
    kind = "dataset"

    @classmethod
    def from_config(cls, config: Config) -> "DatasetSpec":
        return cls(project=config.project, dataset=config.dataset, location=config.location)

    @property
    def name(self) -> str:
        return f"{self.project}.{self.dataset}"

    def observe(self, clients: Clients) -> bigquery.Dataset | None:
        return clients.find(lambda: clients.bigquery.get_dataset(self.name, **clients.repeating))

    def wanted(self) -> dict[str, str]:
        return {"location": self.location}

    def obstacles(self, observed: bigquery.Dataset) -> list[Change]:
        kind = dataset_kind(observed)
        if kind != "dataset":
            return differences(("kind", kind, "dataset"))
        return differences(("location", str(observed.location).lower(), self.location))

    def remedy(self, observed: bigquery.Dataset) -> str:
        if dataset_kind(observed) != "dataset":
            return "No table can be made in it: choose another dataset with FORECASTING_DATASET."
        return (
            "A dataset never moves: set FORECASTING_LOCATION to its location, or choose another "
            "dataset with FORECASTING_DATASET."
        )

    def changes(self, observed: bigquery.Dataset) -> list[Change]:
        """Defaults that a new table would inherit and that would eat its history."""
        values = {field: getattr(observed, name) for name, field in _EXPIRATIONS.items()}
        return differences(
            *((field, None if v is None else f"{v} ms", None) for field, v in values.items())
        )

    def create(self, clients: Clients) -> bigquery.Dataset:
        dataset = bigquery.Dataset(self.name)
        dataset.location = self.location
        with readable():
            return clients.bigquery.create_dataset(dataset, **clients.repeating)

    def update(self, clients: Clients, observed: bigquery.Dataset, plan: Plan) -> bigquery.Dataset:
        fields = [name for name, field in _EXPIRATIONS.items() if field in plan.fields]
        for name in fields:
            setattr(observed, name, None)
        with readable():
            return clients.bigquery.update_dataset(observed, fields, **clients.repeating)


_KINDS = {"LINKED": "linked dataset", "EXTERNAL": "external dataset"}
_SOURCES = {"linkedDatasetSource": "LINKED", "externalDatasetReference": "EXTERNAL"}


def dataset_kind(dataset: bigquery.Dataset) -> str:
    """What it is, in words: of some kinds the contents are somebody else's.

    https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets (type and sources)
    """
    resource = dataset.to_api_repr()
    of_source = next((kind for field, kind in _SOURCES.items() if resource.get(field)), "")
    return _KINDS.get(of_source or str(resource.get("type")).upper(), "dataset")
