"""Let every function of the product say that it was called: seen.py."""

import ast
from collections.abc import Iterator
from pathlib import Path

from mutants.places import functions

_IMPORT = """\
try:
    from mutants.seen import seen as _mutants_seen
except ImportError:
    _mutants_seen = id
"""


def instrument(path: Path, file: str) -> None:
    """Rewrite a file: each of its functions begins with a call that names it.

    What reads a template names that, too.
    """
    text = path.read_text("utf-8")
    lines = text.splitlines(keepends=True)
    for line, indent, call in sorted(_calls(ast.parse(text), file), reverse=True):
        lines.insert(line - 1, f"{' ' * indent}{call}\n")
    path.write_text("".join(lines), "utf-8")


def _calls(module: ast.Module, file: str) -> Iterator[tuple[int, int, str]]:
    for first in module.body:
        if not _comes_first(first):
            yield _first_line(first), 0, _IMPORT
            break
    for place, node in functions(module, file):
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if not body or body[0].lineno == node.lineno:
            continue
        at, indent = _first_line(body[0]), body[0].col_offset
        yield at, indent, f'_mutants_seen("{place}")'
        if place.endswith("sql/template.py:load"):
            folder = file.rpartition("/")[0]
            yield at, indent, f'_mutants_seen(f"{folder}/{{name}}")'


def _first_line(node: ast.stmt) -> int:
    """That of its first decorator, where it has any."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return min(n.lineno for n in (node, *node.decorator_list))
    return node.lineno


def _comes_first(node: ast.stmt) -> bool:
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
