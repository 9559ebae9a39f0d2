"""Which module of a package imports which, read from the text: nothing is executed.

Imports inside functions and under TYPE_CHECKING count like any other: whoever reads the one file
has to know the other.
"""

import ast
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

Imports = Mapping[str, frozenset[str]]


def read_imports(package: Path) -> Imports:
    """The imports among the modules of a package, by their dotted names."""
    files = {_name(package, path): path for path in sorted(package.rglob("*.py"))}
    return {
        module: frozenset(_imported(module, path, files)) - {module}
        for module, path in files.items()
    }


def find_circles(imports: Imports) -> set[frozenset[str]]:
    """The largest sets of modules each of which leads to all others of its set."""
    reached = {module: _reached_from(module, imports) for module in imports}
    return {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in imports
        if module in reached[module]
    }


def _name(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(module: str, path: Path, known: Container[str]) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        for name in _named(node, package):
            # What is imported from a module may be a module, or something in it.
            found = name if name in known else name.rpartition(".")[0]
            if found in known:
                yield found


def _named(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) + 1 - node.level]
        origin = [*above, node.module or ""] if node.level else [node.module or ""]
        return [".".join([*filter(None, origin), alias.name]) for alias in node.names]
    return []


def _reached_from(module: str, imports: Imports) -> set[str]:
    reached: set[str] = set()
    ahead = [module]
    while ahead:
        following = imports.get(ahead.pop(), frozenset()) - reached
        reached |= following
        ahead += following
    return reached
