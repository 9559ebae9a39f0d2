from django.apps import AppConfig


class ForecastingConfig(AppConfig):
    name = "backend.forecasting"
    label = "forecasting"
