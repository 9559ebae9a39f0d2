from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from .models import Pipeline

_PAGE = "admin:forecasting_pipeline_changelist"


@admin.register(Pipeline)
class PipelineAdmin(admin.ModelAdmin):
    """The status page in the place of the list of objects, of which there are none.

    `status` is imported by the views, as it brings Google's libraries, which commands that need
    none should not wait for.
    """

    def get_urls(self) -> list[URLPattern]:
        views = (("", self.changelist_view, "changelist"), ("run/", self.run_view, "run"))
        return [
            path(route, self.admin_site.admin_view(view), name=f"forecasting_pipeline_{name}")
            for route, view, name in (*views, ("progress/", self.progress_view, "progress"))
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from .monitoring.status import see_pipeline, see_run

        _require(request, "view")
        run = see_run()
        context = {
            **self.admin_site.each_context(request),
            "title": "Nightly load",
            "opts": self.opts,
            "run": run,
            "seen": see_pipeline(run.value),
            "may_run": request.user.has_perm("forecasting.run_pipeline"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/forecasting/pipeline/status.html", context)

    def run_view(self, request: HttpRequest) -> HttpResponse:
        from .monitoring.status import start_run

        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        _require(request, "view")  # That is where the answer is shown.
        _require(request, "run")
        started = start_run()
        if started.problem:
            messages.error(request, started.problem)
            said = f"Tried to start a run: {started.problem}"
        elif started.adopted:
            messages.warning(request, "A run was under way already; it is followed here.")
            said = f"Tried to start a run while one was under way: {started.name}"
        else:
            messages.success(request, "The run has been started.")
            said = f"Started a run: {started.name}"
        _log(request, said)
        return HttpResponseRedirect(reverse(_PAGE, current_app=self.admin_site.name))

    def progress_view(self, request: HttpRequest) -> JsonResponse:
        """How the run goes; with `?figures` also which figures there are by now."""
        from .monitoring.status import RunStatus, see_pipeline, see_run

        _require(request, "view")
        seen = see_run()
        figures = see_pipeline(seen.value) if "figures" in request.GET else None
        run = seen.value or RunStatus(sentence="")
        return JsonResponse(
            {
                "under_way": run.under_way,
                "state": run.state,
                "sentence": run.sentence,
                "seconds": run.seconds,
                "looking": seen.looking,
                "problem": seen.problem,
                "figures": figures.version if figures else None,
                "figures_awaited": bool(figures and figures.looking),
            }
        )


def _require(request: HttpRequest, action: str) -> None:
    if not request.user.has_perm(f"forecasting.{action}_pipeline"):
        raise PermissionDenied


def _log(request: HttpRequest, said: str) -> None:
    """Note in the admin's log who asked for a run and what came of it."""
    LogEntry.objects.log_actions(
        user_id=cast(int, request.user.pk),
        queryset=[Pipeline()],
        action_flag=CHANGE,
        change_message=said,
        single_object=True,
    )
