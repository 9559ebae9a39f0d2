"""What a flush leaves is a migrated database, whatever a test has done to it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase

from backend.entities.models import Entity

pytestmark = pytest.mark.django_db(transaction=True)

ENTITIES = {"entities_entity", "entities_entitymention"}


def _flush() -> None:
    """As pytest-django does after each test that is marked as these are."""
    TransactionTestCase("run")._fixture_teardown()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def flushed(transactional_db: None) -> None:
    """Tests that roll back what they write leave its pages."""
    _flush()


def _columns(*columns: str) -> dict[str, tuple[object, ...]]:
    """What PostgreSQL's catalogue says of each model's table."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT relname, {', '.join(columns)} FROM pg_class WHERE relname = ANY(%s)",
            [connection.introspection.django_table_names()],
        )
        found = {name: tuple(values) for name, *values in cursor.fetchall()}
    assert ENTITIES.issubset(found)
    return found


def _shape() -> dict[str, tuple[object, ...]]:
    return _columns("pg_relation_size(oid)", "relpages", "reltuples")


def _rewritten(before: dict[str, tuple[object, ...]]) -> set[str]:
    """The tables that are in another file than before."""
    return {name for name, file in _columns("relfilenode").items() if file != before[name]}


def _write() -> None:
    User.objects.create_user("ana").groups.add(Group.objects.create(name="desk"))


def _write_and_delete() -> None:
    _write()
    User.objects.all().delete()
    Group.objects.all().delete()


def _write_and_take_back() -> None:
    with transaction.atomic():
        _write()
        transaction.set_rollback(True)


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE entities_entity")


@pytest.mark.parametrize("touch", [_write, _write_and_delete, _write_and_take_back, _analyze])
def test_flush__leaves_no_trace_of_a_test(touch: Callable[[], None]) -> None:
    before = _shape()
    touch()
    assert _shape() != before
    _flush()
    assert _shape() == before


def test_flush__empties_what_was_touched_and_what_refers_to_it() -> None:
    files = _columns("relfilenode")
    _flush()
    assert not _rewritten(files)
    Entity.objects.create(name="PDVSA", entity_type="company")
    _flush()
    assert _rewritten(files) == ENTITIES
    assert not Entity.objects.exists()


def test_flush__makes_anew_what_migrating_made() -> None:
    def made() -> list[tuple[str, ...]]:
        return sorted(Permission.objects.values_list("content_type__model", "codename"))

    before = made()
    assert ("entity", "view_entity") in before
    Permission.objects.filter(codename="view_entity").delete()
    ContentType.objects.create(app_label="gone", model="gone")
    _flush()
    assert made() == before
    assert not ContentType.objects.filter(app_label="gone").exists()
    files = _columns("relfilenode")
    _flush()
    assert not _rewritten(files)
