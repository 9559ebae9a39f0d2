"""How many rows of the window the training table holds."""

from datetime import timedelta

from ..conf import Config
from ..google.clients import Clients
from ..google.errors import reading
from ..provisioning.partitions import rows_by_day


def count_rows(clients: Clients, config: Config) -> int | None:
    """The rows of the window. Where no history is kept they are all that the table has."""
    with reading(f"Counting the rows of {config.table_id}", clients):
        if config.keep_history:
            start = clients.now().date() - timedelta(days=config.window_days)
            counted = rows_by_day(clients, config.table_id)
            return sum(rows for day, rows in counted if day >= start)
        table = clients.surely(
            lambda: clients.bigquery.get_table(config.table_id, **clients.repeating)
        )
        rows: int | None = table.num_rows
        return rows
