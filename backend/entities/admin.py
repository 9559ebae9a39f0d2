from django.contrib import admin

from backend.entities.models import Entity, EntityMention


@admin.register(Entity)
class EntityAdmin(admin.ModelAdmin):
    list_display = ("name", "entity_type", "risk_score")
    list_filter = ("entity_type",)
    search_fields = ("name",)


@admin.register(EntityMention)
class EntityMentionAdmin(admin.ModelAdmin):
    list_display = ("entity", "event", "mentioned_at")
    list_select_related = ("entity", "event")
    autocomplete_fields = ("entity",)
    raw_id_fields = ("event",)
    date_hierarchy = "mentioned_at"
