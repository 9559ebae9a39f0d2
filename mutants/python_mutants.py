"""Mutants of Python: what mutmut's operators make of each part of a file.

Left out is what no caller could tell: annotations, decorators, imports, `__all__`, and prose (a
text with a space in it), whose letters are no behaviour.
"""

import ast
from collections.abc import Callable, Iterator

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from mutants.mutant import Mutant, make_mutant
from mutants.places import place_of, spans
from mutants.site import Site

_LEFT_OUT = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom)
_FOR_TYPES_ONLY = ("cast", "TypeVar", "len", "isinstance")


def python_sites(file: str, text: str) -> list[Site]:
    """The parts of a file that can be mutated, in its order."""
    wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    module, places = wrapper.module, spans(ast.parse(text), file)
    positions = wrapper.resolve(PositionProvider)
    sites = []
    for node, made in _found(module):
        line = positions[node].start.line
        place = place_of(places, file, line)
        sites.append(Site(file, line, [_change(module, file, place, node, new) for new in made]))
    return sites


def _change(
    module: cst.Module, file: str, place: str, node: cst.CSTNode, new: cst.CSTNode
) -> Callable[[], Mutant | None]:
    def make() -> Mutant | None:
        text = cst.ensure_type(module.deep_replace(node, new), cst.Module).code
        try:
            compile(text, file, "exec")
        except SyntaxError:
            return None
        return make_mutant(file, place, module.code, text)

    return make


def _found(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, list[cst.CSTNode]]]:
    """The nodes in a node, itself included, with what the operators make of them."""
    if isinstance(node, _LEFT_OUT) or _is_for_readers_only(node):
        return
    made = [
        new for kind, mutate in mutation_operators if isinstance(node, kind) for new in mutate(node)
    ]
    if made and not _is_prose(node):
        yield node, made
    for child in node.children:
        yield from _found(child)


def _is_for_readers_only(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Assign) and isinstance(node.targets[0].target, cst.Name):
        return bool(node.targets[0].target.value == "__all__")
    if isinstance(node, cst.If) and isinstance(node.test, cst.Name):
        return bool(node.test.value == "TYPE_CHECKING")
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
        return node.func.value in _FOR_TYPES_ONLY
    return False


def _is_prose(node: cst.CSTNode) -> bool:
    return bool(isinstance(node, cst.SimpleString) and " " in node.value)
