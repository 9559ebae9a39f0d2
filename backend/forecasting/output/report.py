"""The verification as one page to look at: a file that needs nothing else, and no network."""

from functools import cache
from pathlib import Path

from django.template import Context, Engine

from ..google.clients import Clients
from ..verification.verify import Verification
from .page import Charts, make_page
from .report_data import ReportData, read_report_data


def render_report(result: Verification, clients: Clients) -> tuple[str, str]:
    """The page, and why it has no charts, or nothing."""
    data = read_report_data(result.snapshot, clients)
    page = make_page(result, data, _draw)
    why_no_charts = data if isinstance(data, str) else ""
    template = _templates().get_template("forecasting/report.html")
    # In one language, and so with one kind of decimal point; its times are said to be in UTC.
    context = Context({"page": page}, use_l10n=False, use_tz=False)
    return template.render(context), why_no_charts


@cache
def _templates() -> Engine:
    """The app's own: a project may have no templates, or escape nothing in them."""
    return Engine(dirs=[str(Path(__file__).parents[1] / "templates")])


def _draw(data: ReportData) -> Charts:
    from .charts import draw_report

    return draw_report(data)
