"""What an operator hears of a setup while it goes on.

What needs Google's libraries is imported where it is used, as in all that a command begins with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...counting import agree, count_things
from ._events import ERROR, INFO
from ._process import ProcessCommand

if TYPE_CHECKING:
    from google.cloud.bigquery_datatransfer_v1.types import TransferRun

    from ...loading.backfill import SliceOutcome
    from ...provisioning.plan import Plan
    from ...setup.outcome import Mode
    from ...setup.steps import Listeners


def make_listeners(
    command: ProcessCommand,
    mode: Mode,
    on_run: Callable[[TransferRun], None] = lambda _: None,
    *,
    loads: bool = False,
) -> Listeners:
    """Tells the operator what is planned, done and going on; `on_run` shows a run to people.

    `loads`: a load follows, which Google may have begun before anything is heard of it.
    """
    from ...output.text import describe_applied
    from ...setup.steps import Listeners

    follower = _Follower(command, mode, on_run, loads)
    return Listeners(
        plan=follower.show_plans,
        applied=lambda plans: command.say(describe_applied(plans)),
        note=command.say,
        run=follower.show_run,
        slice=follower.show_slice,
    )


class _Follower:
    """Shows each step, and keeps what an end from outside would leave true of it."""

    def __init__(
        self,
        command: ProcessCommand,
        mode: Mode,
        on_run: Callable[[TransferRun], None],
        loads: bool,
    ) -> None:
        self._command, self._mode, self._on_run, self._loads = command, mode, on_run, loads
        self._state = ""

    def show_plans(self, plans: Sequence[Plan]) -> None:
        from ...output.text import describe_plans, summarize_plan
        from ...setup.outcome import Mode

        command = self._command
        if self._mode is Mode.APPLY:
            load = ", and a load that was begun may go on at Google" if self._loads else ""
            command.left_behind = f"what was changed by then stays{load}; run it again to go on"
        if command.events:
            for plan in plans:
                severity = ERROR if plan.refusal else INFO
                command.say(summarize_plan(plan), severity, resource=plan.name)
            return
        for line in describe_plans(plans, self._mode, command.style):
            command.show(line)

    def show_run(self, run: TransferRun) -> None:
        from ...loading.runs import ENDED, state_of
        from ...output.text import short_name

        stands = f"has ended, {state_of(run)}," if run.state in ENDED else "goes on at Google,"
        self._command.left_behind = (
            f"run {short_name(run.name)} {stands} and `python manage.py bq_verify` tells how it "
            "ended"
        )
        if self._command.events:
            self._tell_state(run)
        else:
            self._on_run(run)

    def _tell_state(self, run: TransferRun) -> None:
        from ...loading.runs import state_of
        from ...output.text import short_name

        state = f"Run {short_name(run.name)}: {state_of(run)}"
        if state != self._state:
            self._command.say(state, run=run.name)
        self._state = state

    def show_slice(self, outcome: SliceOutcome) -> None:
        from ...output.text import describe_slice

        done, all_of_them = outcome.slice.number, outcome.slice.count
        self._command.left_behind = (
            f"{done} of {count_things(all_of_them, 'slice')} "
            f"{agree(done, 'is done and stays', 'are done and stay')}"
        )
        if done < all_of_them:
            self._command.left_behind += (
                ", and what BigQuery is loading it may load to its end; run it again to go on"
            )
        self._command.say(describe_slice(outcome))
