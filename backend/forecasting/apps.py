from django.apps import AppConfig
from django.core.checks import register

from .system_checks import check_deployment, check_settings


class ForecastingConfig(AppConfig):
    name = __package__
    label = "forecasting"

    def ready(self) -> None:
        register(check_settings)
        register(check_deployment, deploy=True)
