"""A sample of mutants, several at once, each written down as soon as it was tried."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from mutants.mutant import Mutant
from mutants.report import describe
from mutants.results import Results
from mutants.suite import Suite
from mutants.tree import end_all, tree_copy
from mutants.trial import Trial, failing_by_themselves, try_mutant


class Run:
    """The mutants of one sample, and what has come of them."""

    def __init__(
        self,
        mutants: Sequence[Mutant],
        suite: Suite,
        results: Results,
        *,
        rest: float,
        say: Callable[[str], None],
    ) -> None:
        self._mutants, self._suite, self._results = mutants, suite, results
        self._rest, self._say = rest, say
        self._trials = list[Trial]()

    def finish(self, processes: int, deadline: float, *, anew: bool = False) -> list[Trial]:
        """Try what was not tried yet, no new one after the deadline.

        In the end the tests that noticed something are run without any mutant. What one of them
        noticed that fails by itself is tried again without it.
        """
        self._trials = [] if anew else self._results.load(self._mutants)
        self._results.store(self._trials)
        if self._trials:
            self._say(f"{len(self._trials)} of them were tried before.")
        self._try_all(processes, deadline)
        failing = self._failing()
        if failing:
            self._say(f"Failed without any mutant, and count no more: {', '.join(sorted(failing))}")
            self._suite = self._suite.without(failing)
            self._trials = [trial for trial in self._trials if trial.test not in failing]
            self._results.store(self._trials)
            self._try_all(processes, deadline)
        return self._trials

    def _failing(self) -> set[str]:
        with tree_copy() as tree:
            noticing = [trial.test for trial in self._trials if trial.test]
            return failing_by_themselves(noticing, self._suite, tree)

    def _try_all(self, processes: int, deadline: float) -> None:
        tried = {trial.mutant for trial in self._trials}
        waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        for mutant in self._mutants:
            if mutant not in tried:
                waiting.put(mutant)
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._work, args=(waiting, deadline, stop))
            for _ in range(min(processes, waiting.qsize()))
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            stop.set()
            end_all()
            for thread in threads:
                thread.join()

    def _work(
        self, waiting: "queue.SimpleQueue[Mutant]", deadline: float, stop: threading.Event
    ) -> None:
        with tree_copy() as tree, suppress(queue.Empty):
            while time.monotonic() < deadline:
                mutant = waiting.get_nowait()
                trial = try_mutant(mutant, self._suite, tree, rest=self._rest)
                if stop.is_set():
                    return
                self._trials.append(trial)
                self._results.append(trial)
                self._say(f"[{len(self._trials)}/{len(self._mutants)}] {describe(trial)}")
