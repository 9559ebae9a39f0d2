"""The verification as one page to look at: a file that needs nothing else, and no network."""

from django.template.loader import render_to_string

from ..google.clients import Clients
from ..verification.verify import Verification
from .page import Charts, make_page
from .report_data import ReportData, read_report_data


def render_report(result: Verification, clients: Clients) -> tuple[str, str]:
    """The page, and why it has no charts, or nothing."""
    data = read_report_data(result.snapshot, clients)
    page = make_page(result, data, _draw)
    why_no_charts = data if isinstance(data, str) else ""
    return render_to_string("forecasting/report.html", {"page": page}), why_no_charts


def _draw(data: ReportData) -> Charts:
    from .charts import draw_report

    return draw_report(data)
