"""What an operator has to do in Google Cloud beside running the commands, ready to paste."""

from collections.abc import Iterable, Iterator
from typing import Any

from google.cloud.bigquery_connection_v1.types import Connection

from .conf import Config
from .provisioning.engine import Step
from .provisioning.plan import Action


def hints_after(steps: Iterable[Step[Any]], config: Config) -> Iterator[str]:
    """The grants that resources which were just created need."""
    for step in steps:
        if step.plan.action is not Action.CREATE:
            continue
        if step.plan.kind == "connection" and step.observed is not None:
            yield _cloud_sql_client(step.observed, config)
        if step.plan.kind == "scheduled_query":
            yield _runtime_roles(config)


def _cloud_sql_client(connection: Connection, config: Config) -> str:
    # The account's address is read, never built: it has more than one form.
    account = connection.cloud_sql.service_account_id
    sql_project = config.instance.rsplit(":", 2)[0]
    return (
        "Let the connection reach Cloud SQL:\n"
        f"    gcloud projects add-iam-policy-binding {sql_project} "
        f"--member serviceAccount:{account} --role roles/cloudsql.client"
    )


def _runtime_roles(config: Config) -> str:
    """What the account that the load runs as needs (dts-authentication-authorization)."""
    member = (
        f"serviceAccount:{config.service_account}" if config.service_account else "user:THE_OWNER"
    )
    grant = f"gcloud projects add-iam-policy-binding {config.project} --member {member} --role"
    roles = ("jobUser", "dataEditor", "connectionUser")
    return "\n".join(
        ["Let the load run:", *(f"    {grant} roles/bigquery.{role}" for role in roles)]
    )
