"""Reads a query's rows in a process of its own, for its peak memory: `python -m bench.reading`."""

import json
import sys
from dataclasses import asdict, replace

from bench.fresh import run_python
from bench.measuring import Sample, copy_to_counter
from bench.processes import peak_of_process


def read_in_fresh_process(uri: str, query: str) -> Sample:
    """What reading took, with the reader's peak memory."""
    return Sample(**run_python("bench.reading", {"uri": uri, "query": query}))


def main() -> None:
    request = json.load(sys.stdin)
    sample = copy_to_counter(request["uri"], request["query"])
    json.dump(asdict(replace(sample, peak_bytes=peak_of_process())), sys.stdout)


if __name__ == "__main__":
    main()
