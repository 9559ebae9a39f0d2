from django.apps import AppConfig


class LocalcloudConfig(AppConfig):
    name = "backend.localcloud"
    label = "localcloud"
