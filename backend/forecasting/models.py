"""What Django has to know of the pipeline; its data is in Google Cloud."""

from django.db import models


class Pipeline(models.Model):
    """The nightly load, as something that permissions, the admin's index and its log can name.

    It has no table and no rows: `admin.PipelineAdmin` shows what `status` sees.
    """

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = (("run_pipeline", "Can start a run of the nightly load"),)
        verbose_name_plural = "pipeline"

    def __str__(self) -> str:
        return "nightly load"
