"""What bq_setup does, without arguments parsed or anything printed."""

from typing import Any

from ..conf import Config
from ..google.clients import Clients
from ..provisioning.datasets import DatasetSpec
from ..provisioning.engine import apply, plan_steps
from ..provisioning.plan import Resource
from ..provisioning.tables import TableSpec
from ..provisioning.views import view_specs
from .outcome import Mode, Outcome, Status
from .steps import Listeners, conclude, exclusively, present


def set_up_table(config: Config, clients: Clients, mode: Mode, tell: Listeners) -> Outcome:
    """Bring the dataset, the training table and, with a horizon, its views into their state.

    Conflicts and what is left to do are in the outcome. Raises ForecastingError for what could
    not be done.
    """
    specs: list[Resource[Any]] = [
        DatasetSpec.from_config(config),
        TableSpec.from_config(config),
        *view_specs(config),
    ]
    with exclusively(config, clients, mode):
        steps = plan_steps(specs, clients)
        outcome = present("bq_setup", config, clients, mode, tell, steps)
        if outcome.status is Status.APPLIED:
            conclude(outcome, apply(steps, clients), clients, tell)
    return outcome
