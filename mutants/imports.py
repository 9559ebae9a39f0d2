"""Which files of the product import which, for what is changed outside of every function."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from mutants.tree import ROOT


def importers(files: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """The files that import each of them, by relative imports as the product's are."""
    found: dict[str, set[str]] = {}
    for file in files:
        if file.endswith(".py"):
            for imported in _imported(file, (ROOT / file).read_text("utf-8")):
                found.setdefault(imported, set()).add(file)
    return {file: frozenset(found.get(file, set())) for file in files}


def _imported(file: str, text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = PurePosixPath(file).parents[node.level - 1]
            module = folder.joinpath(*(node.module or "").split("."))
            names = [module.joinpath(name.name) for name in node.names]
            found |= {f"{path}.py" for path in (module, *names)}
    return found
