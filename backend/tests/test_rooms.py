"""Who may know whom (docs/architecture.md, "The rooms"): a room knows those below it."""

import re
from pathlib import Path

import pytest

from backend.tests.imports import Imports, find_circles, read_imports

BACKEND = Path(__file__).parents[1]
PRODUCT = "backend.forecasting."

Floors = tuple[tuple[str, ...], ...]

FLOORS = (
    ("conf", "counting", "errors", "activity", "training_table", "models"),
    ("google", "database", "sql"),
    ("provisioning",),
    ("loading",),
    ("verification",),
    ("setup",),
    ("output",),
    ("management", "monitoring", "admin", "system_checks", "apps", "migrations"),
)
"""The rooms of the forecasting app from the ground up; those of one floor may know each other."""

STAND_IN = "backend.localcloud."

STAND_IN_FLOORS = (
    ("http", "iam", "clock", "differences", "postgres", "signals", "remembering", "apps"),
    ("googlesql", "connections", "secrets", "grpc"),
    ("bqemulator",),
    ("bigquery",),
    ("transfers",),
    ("routes", "methods"),
    ("server",),
    ("management",),
)
"""The same of the stand-in for Google Cloud."""

HOUSES = pytest.mark.parametrize(
    ("house", "floors"), [(PRODUCT, FLOORS), (STAND_IN, STAND_IN_FLOORS)]
)


@pytest.fixture(scope="module")
def imports() -> Imports:
    found = read_imports(BACKEND)
    assert len(found) > 200
    return found


@HOUSES
def test_rooms__a_room_knows_only_those_below_it(
    imports: Imports, house: str, floors: Floors
) -> None:
    floor_of = {room: number for number, rooms in enumerate(floors) for room in rooms}
    steps = [
        (module, other)
        for module, others in _of(house, imports).items()
        for other in others
        if other.startswith(house)
    ]
    assert len(steps) > 90
    assert {_room(module) for module in _of(house, imports)} <= floor_of.keys()
    up = [f"{a} imports {b}" for a, b in steps if floor_of[_room(a)] < floor_of[_room(b)]]
    assert not up, "\n".join(up)


@HOUSES
def test_rooms__rooms_of_one_floor_form_no_circle(
    imports: Imports, house: str, floors: Floors
) -> None:
    rooms: dict[str, set[str]] = {}
    for module, others in _of(house, imports).items():
        known = {_room(other) for other in others if other.startswith(house)}
        rooms.setdefault(_room(module), set()).update(known - {_room(module)})
    assert len(rooms) > 5
    assert not find_circles({room: frozenset(others) for room, others in rooms.items()})


def test_rooms__the_product_knows_nothing_of_what_is_around_it(imports: Imports) -> None:
    product = _of(PRODUCT, imports)
    assert len(product) > 90
    outside = {
        (module, other)
        for module, others in product.items()
        for other in others
        if not f"{other}.".startswith(PRODUCT)
    }
    assert not outside


def test_rooms__modules_form_no_circle(imports: Imports) -> None:
    assert not [sorted(circle) for circle in find_circles(imports)]


def test_rooms__only_one_package_of_the_stand_in_knows_bqemulator() -> None:
    """Tests aside: test_memory.py counts what bqemulator keeps."""
    import_of_it = re.compile(r"^\s*(?:from|import) bqemulator\b", re.MULTILINE)
    files = (BACKEND / "localcloud").rglob("*.py")
    users = {path.parent.name for path in files if import_of_it.search(path.read_text("utf-8"))}
    assert users - {"tests"} == {"bqemulator"}


def test_imports__are_found_wherever_they_stand(tmp_path: Path) -> None:
    package = tmp_path / "house"
    (package / "attic").mkdir(parents=True)
    for name in ("__init__", "hall", "attic/__init__", "attic/trunk", "attic/beam"):
        (package / f"{name}.py").touch()
    (package / "cellar.py").write_text(
        "import os\n"
        "from typing import TYPE_CHECKING\n"
        "from . import hall\n"
        "if TYPE_CHECKING:\n    from .attic.trunk import Lid\n"
        "def climb():\n    import house.attic.beam\n"
    )
    (package / "attic/trunk.py").write_text("from ..cellar import Shelf\nfrom .. import attic\n")
    found = read_imports(package)
    assert found["house.cellar"] == {"house.hall", "house.attic.trunk", "house.attic.beam"}
    assert found["house.attic.trunk"] == {"house.cellar", "house.attic"}
    assert find_circles(found) == {frozenset({"house.cellar", "house.attic.trunk"})}


def _of(house: str, imports: Imports) -> dict[str, frozenset[str]]:
    """The modules of an app, its tests aside."""
    return {
        module: others
        for module, others in imports.items()
        if module.startswith(house) and _room(module) != "tests"
    }


def _room(module: str) -> str:
    return module.split(".")[2]
