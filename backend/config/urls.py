"""URLs of the backend."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]

if find_spec("health_check"):
    from health_check.views import HealthCheckView

    checks = ["health_check.checks.Database", "backend.forecasting.monitoring.health.NightlyLoad"]
    urlpatterns.append(path("health/", HealthCheckView.as_view(checks=checks), name="health"))
