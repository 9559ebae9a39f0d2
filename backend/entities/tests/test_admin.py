from datetime import date

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from backend.demo.history import write_history
from backend.demo.sample import SampleOptions, generate_history
from backend.demo.sample_names import AWKWARD_NAMES
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sample")]


@pytest.fixture
def sample() -> None:
    """Enough entities that the awkward names are among them."""
    write_history(generate_history(SampleOptions(last_day=date(2026, 3, 1), days=2, entities=40)))


@pytest.mark.parametrize(
    "page",
    [
        "entities_entity_changelist",
        "entities_entity_add",
        "entities_entitymention_changelist",
        "entities_entitymention_add",
        "events_event_changelist",
        "events_event_add",
    ],
)
def test_page__renders(admin_client: Client, page: str) -> None:
    assert admin_client.get(reverse(f"admin:{page}")).status_code == 200


@pytest.mark.parametrize("model", [Entity, EntityMention, Event])
def test_change_page__renders(
    admin_client: Client, model: type[Entity | EntityMention | Event]
) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    row = model._default_manager.all()[0]
    assert admin_client.get(reverse(name, args=[row.pk])).status_code == 200


@pytest.mark.parametrize("page", ["entities_entity_changelist", "events_event_changelist"])
def test_changelist__can_be_searched(admin_client: Client, page: str) -> None:
    response = admin_client.get(reverse(f"admin:{page}"), {"q": "O'Higgins"})
    assert "O&#x27;Higgins" in response.content.decode()


def test_changelist__escapes_names(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:entities_entity_changelist")).content.decode()
    assert "<script>alert(" not in page
    assert all(escape(name.strip().split("\t")[0]) in page for name in AWKWARD_NAMES)


@pytest.mark.parametrize("page", ["entities_entity_changelist", "events_event_changelist"])
def test_changelist__needs_a_login(client: Client, page: str) -> None:
    response = client.get(reverse(f"admin:{page}"))
    assert response.headers["Location"].startswith("/admin/login/")
