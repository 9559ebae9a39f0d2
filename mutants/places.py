"""Names of the functions of a file, which last longer than their lines."""

import ast
from collections.abc import Iterator, Sequence


def functions(module: ast.Module, file: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each function of a module, those inside others too, as FILE:OUTER.INNER."""
    yield from _inside(module, f"{file}:")


def _inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield f"{prefix}{child.name}", child
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _inside(child, f"{prefix}{child.name}.")
        else:
            yield from _inside(child, prefix)


def spans(module: ast.Module, file: str) -> list[tuple[int, int, str]]:
    """First and last line of the body of each function, those inside others after them."""
    return [
        (node.body[0].lineno, node.end_lineno or node.lineno, place)
        for place, node in functions(module, file)
    ]


def place_of(places: Sequence[tuple[int, int, str]], file: str, line: int) -> str:
    """The innermost function that a line is in; the file, where it is in none."""
    found = [place for first, last, place in places if first <= line <= last]
    return found[-1] if found else file
