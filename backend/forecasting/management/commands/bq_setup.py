from argparse import ArgumentParser
from typing import Any

from ...conf import Config
from ._listeners import make_listeners
from ._options import add_mode_arguments, idle_flags, mode_of
from ._pipeline import PipelineCommand

_OF_THE_VIEWS = ("window_days", "keep_history")


class Command(PipelineCommand):
    help = (
        "Create the BigQuery dataset and the training table, and with a horizon the views to train "
        "on and to forecast from, or bring them up to date."
    )
    examples = (
        ("", "in a deploy hook: make it, or bring it up to date"),
        ("--check --format json", "in a pipeline: exit status 2 if there is anything to do"),
    )
    # The last three say what the views show.
    setting_fields = (
        *("project", "location", "dataset", "table"),
        *(*_OF_THE_VIEWS, "horizon_days"),
    )
    optional_fields = ("instance",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        add_mode_arguments(parser)

    def work(self, config: Config, options: dict[str, Any]) -> None:
        from ...setup.table import set_up_table

        mode = mode_of(options)
        self._tell_idle_flags(config, options)
        self.finish(set_up_table(config, self.clients(config), mode, make_listeners(self, mode)))

    def _tell_idle_flags(self, config: Config, options: dict[str, Any]) -> None:
        if not config.horizon_days and (flags := idle_flags(options, _OF_THE_VIEWS)):
            self.warn(
                f"no effect of {flags}: it is for the views, and without --horizon-days there are "
                "none; the nightly load has it from `bq_setup_etl`"
            )
        elif config.keep_history and (flags := idle_flags(options, ["window_days"])):
            self.warn(f"no effect of {flags}: the views show the whole table where history is kept")
