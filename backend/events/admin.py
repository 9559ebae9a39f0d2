from django.contrib import admin

from backend.events.models import Event


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):
    list_display = ("title", "source", "occurred_at", "risk_score")
    list_filter = ("source",)
    search_fields = ("title",)
    date_hierarchy = "occurred_at"
