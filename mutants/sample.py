"""Which mutants are tried: as many of each kind of file as its parts are, by a seed."""

import random
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch

from mutants.equivalents import FILE, load_equivalents
from mutants.mutant import Mutant
from mutants.python_mutants import python_sites
from mutants.site import Site
from mutants.sql_mutants import sql_sites
from mutants.tree import ROOT, product_files

_SQL_SHARE = 0.25
"""Of a sample: the templates are few lines, each of which costs a night when it is wrong."""


def sample(size: int, seed: int, only: Sequence[str] = ()) -> list[Mutant]:
    """Mutants of different parts of the product, the same for the same seed and text."""
    # Which mutants, not which secrets.
    choice = random.Random(seed)  # noqa: S311
    files = [file for file in product_files() if not only or any(fnmatch(file, o) for o in only)]
    sites = {suffix: _sites(files, suffix) for suffix in (".py", ".sql")}
    wanted = min(round(size * _SQL_SHARE), len(sites[".sql"])) if sites[".py"] else size
    chosen = [
        *_chosen(sites[".sql"], wanted, choice),
        *_chosen(sites[".py"], size - wanted, choice),
    ]
    choice.shuffle(chosen)
    return chosen


def _sites(files: Sequence[str], suffix: str) -> list[Site]:
    read = python_sites if suffix == ".py" else sql_sites
    return [
        site
        for file in files
        if file.endswith(suffix)
        for site in read(file, (ROOT / file).read_text("utf-8"))
    ]


def _chosen(sites: Sequence[Site], count: int, choice: random.Random) -> list[Mutant]:
    made = _mutants(choice.sample(sites, len(sites)), choice)
    return [mutant for mutant, _ in zip(made, range(count), strict=False)]


def _mutants(sites: Sequence[Site], choice: random.Random) -> Iterator[Mutant]:
    """One of each site, but for those that change nothing."""
    equivalents = load_equivalents(FILE.read_text("utf-8"))
    for site in sites:
        mutant = choice.choice(site.changes)()
        if mutant is not None and mutant.key not in equivalents:
            yield mutant
