from django.apps import AppConfig


class EntitiesConfig(AppConfig):
    name = "backend.entities"
    label = "entities"
