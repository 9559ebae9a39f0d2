"""The views beside the training table: what a model is trained on, and what it forecasts from."""

from dataclasses import dataclass

from google.cloud import bigquery

from ..conf import Config
from ..google.clients import Clients
from ..google.replies import readable
from ..sql.series import (
    FORECAST_DESCRIPTION,
    TRAINING_DESCRIPTION,
    render_forecast_view,
    render_training_view,
)
from ..training_table import FORECAST_SUFFIX, TRAINING_SUFFIX
from .plan import Change, Plan, Resource, differences
from .tables import bq_name

VIEW = "VIEW"
# What an owned field is written to.
_PROPERTIES = {
    "description": "description",
    "query": "view_query",
    "dialect": "view_query",
    "expirationTime": "expires",
}


@dataclass(frozen=True, kw_only=True)
class ViewSpec(Resource[bigquery.Table]):
    """A view with its text and description, never expiring; labels and access are left alone."""

    view_id: str
    query: str
    description: str
    kind = "view"

    @property
    def name(self) -> str:
        return self.view_id

    def observe(self, clients: Clients) -> bigquery.Table | None:
        """What has the view's name, which may be a table."""
        return clients.find(lambda: clients.bigquery.get_table(self.view_id, **clients.repeating))

    def wanted(self) -> dict[str, str]:
        return {"description": self.description, "query": self.query}

    def obstacles(self, observed: bigquery.Table) -> list[Change]:
        return differences(("type", observed.table_type, VIEW))

    def remedy(self, observed: bigquery.Table) -> str:
        other = "choose another table with FORECASTING_TABLE, whose views have other names,"
        name = bq_name(self.name)
        if observed.table_type == "TABLE":
            return (
                f"The name is taken: {other} or move the table aside (bq cp {name} {name}_old, "
                f"then bq rm {name}) and run bq_setup again."
            )
        return f"The name is taken: {other} or free the name, and run bq_setup again."

    def changes(self, observed: bigquery.Table) -> list[Change]:
        expires = observed.expires and f"{observed.expires:%Y-%m-%d %H:%M} UTC"
        return differences(
            ("description", observed.description, self.description),
            ("dialect", "legacy SQL" if observed.view_use_legacy_sql else "GoogleSQL", "GoogleSQL"),
            ("query", (observed.view_query or "").strip(), self.query.strip()),
            ("expirationTime", expires, None),
        )

    def create(self, clients: Clients) -> bigquery.Table:
        view = bigquery.Table(self.view_id)
        view.description = self.description
        view.view_query = self.query
        with readable():
            return clients.bigquery.create_table(view, **clients.repeating)

    def update(self, clients: Clients, observed: bigquery.Table, plan: Plan) -> bigquery.Table:
        """Patch what the plan names; the ETag of `observed` guards against another writer."""
        observed.description = self.description
        observed.view_query = self.query
        observed.view_use_legacy_sql = False  # A new text keeps the dialect that the old one had.
        observed.expires = None
        fields = sorted({_PROPERTIES[field] for field in plan.fields})
        with readable():
            return clients.bigquery.update_table(observed, fields, **clients.repeating)


def view_specs(config: Config) -> list[ViewSpec]:
    """The views that these settings ask for: none without a horizon."""
    if not config.horizon_days:
        return []
    return [
        ViewSpec(
            view_id=f"{config.table_id}{TRAINING_SUFFIX}",
            query=render_training_view(config),
            description=TRAINING_DESCRIPTION,
        ),
        ViewSpec(
            view_id=f"{config.table_id}{FORECAST_SUFFIX}",
            query=render_forecast_view(config),
            description=FORECAST_DESCRIPTION,
        ),
    ]
