"""The migrations make what the models say, permissions among it."""

from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState


def test_migrations__lack_nothing_of_the_models() -> None:
    loader = MigrationLoader(None)
    made, wanted = loader.project_state(), ProjectState.from_apps(apps)
    assert ("forecasting", "pipeline") in made.models
    changes = MigrationAutodetector(made, wanted).changes(graph=loader.graph)
    assert "forecasting" not in changes
