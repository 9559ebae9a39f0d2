"""The report: what is in the file, what is escaped in it, and how a browser shows it."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone
from django.utils.translation import override

from backend.forecasting.conf import Config
from backend.forecasting.output import report_data
from backend.forecasting.output.report import render_report
from backend.forecasting.tests.oracles.browser import Browser, start_browser, why_no_browser
from backend.forecasting.tests.support.factories import make_run
from backend.forecasting.tests.support.healthy import Healthy
from backend.forecasting.tests.support.snapshots import make_snapshot
from backend.forecasting.tests.support.tampering import failed_run, no_table
from backend.forecasting.verification.baseline import EXAMPLES
from backend.forecasting.verification.verify import Verification

SHOWN = report_data.ENTITIES
HOSTILE = (
    "<script>document.title = 'run'</script>",
    "=HYPERLINK(\"http://example.invalid\", 'x')",
    "</text></svg><img src=x onerror=alert(1)>",
    "{{ 7|add:7 }} {% debug %} & \"quoted\" 'too'",
    "\u202eright to left \x01\x1b[31m and control",
    "A name as long as a sentence, " * 9,
)

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]


@pytest.fixture(scope="module")
def hostile_file(healthy_pipeline: Healthy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole report with names that break careless pages, on the entities that are shown first."""
    for name in HOSTILE:
        quoted = name.replace("'", "''")
        healthy_pipeline.change_source(
            f"UPDATE entities_entity SET name = '{quoted}' WHERE id = (SELECT id "
            "FROM entities_entity WHERE name LIKE 'Entity %' ORDER BY id LIMIT 1)"
        )
    path = tmp_path_factory.mktemp("report") / "report.html"
    with patch.object(report_data, "ENTITIES", SHOWN):
        healthy_pipeline.verify(report=path, horizon_days="30")
    healthy_pipeline.restore()
    return path


@pytest.fixture
def page(hostile_file: Path) -> str:
    return hostile_file.read_text("utf-8")


def write(healthy: Healthy, path: Path, **options: Any) -> str:
    """The page of a report."""
    healthy.verify(report=path, **options)
    return path.read_text("utf-8")


def rows_of_checks(page: str) -> int:
    return len(re.findall(r'<tr class="(?:pass|warn|fail)">\s*<td>', page))


def drawings(page: str) -> list[str]:
    return re.findall(r"<svg .*?</svg>", page, re.DOTALL)


# The file ------------------------------------------------------------------------------------


def test_report__has_every_chart_with_words_for_it(page: str) -> None:
    titles = re.findall(r"<h3><bdi>(.*?)</bdi></h3><p>(.*?)</p>", page)
    assert [title for title, _ in titles[:4]] == [
        "Rows per day",
        "Distribution of risk scores",
        "How many rows have a dimension",
        "Which entities have a score on which days",
    ]
    assert len(titles) == 10
    assert titles[0][1].startswith("5,400 rows on 90 of 90 days; 60 a day on average")
    svgs = drawings(page)
    assert len(svgs) == 12  # two of them twice: wide and narrow
    for drawing in svgs:
        assert re.match(r'<svg role="img" aria-label="[^"]{40,}" ', drawing)


def test_report__axes_have_titles_and_units(page: str) -> None:
    texts = [text_of(drawing) for drawing in drawings(page)]
    assert {"day (UTC)", "rows (entities with a score)"} <= texts[0]
    assert {"mean risk score of the day (0 to 100)", "rows"} <= texts[2]
    assert {"day (UTC)", "share of the day's rows"} <= texts[3]
    assert {"day (UTC)", "risk score"} <= texts[4]
    dimensions = {"risk score", "sanctions", "political", "economic", "supply chain"}
    assert dimensions | {"day (UTC)", "mean of the day (0 to 100)"} <= texts[6]


def test_report__shows_as_many_entities_as_there_is_room_for(page: str) -> None:
    _, _, _, _, coverage, *_ = drawings(page)
    assert len(re.findall(r"<text[^>]*>[^<]*Entity \d+", coverage)) == SHOWN - len(HOSTILE) == 34


def text_of(drawing: str) -> set[str]:
    # Own output, and well-formed or the test fails.
    root = ET.fromstring(drawing)  # noqa: S314
    return {element.text for element in root.iter() if element.text}


def test_report__drawings_hold_neither_scripts_nor_links_nor_ids(page: str) -> None:
    assert len(drawings(page)) == 12
    for drawing in drawings(page):
        root = ET.fromstring(drawing)  # noqa: S314
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "path", "text", "title", "line", "rect"}
        names = {name for element in root.iter() for name in element.attrib}
        assert not {"id", "href", "{http://www.w3.org/1999/xlink}href"} & names
        assert not {name for name in names if name.startswith("on")}


def test_report__hostile_names_are_shown_and_not_run(page: str) -> None:
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;document.title" in page
    assert "=HYPERLINK(" in page
    assert "{{ 7|add:7 }}" in page
    assert "\x01" not in page
    assert "\u202e" not in page


def test_report__shows_every_check_and_what_needs_attention(
    healthy: Healthy, tmp_path: Path
) -> None:
    failed_run(healthy)
    verified = healthy.verify(report=tmp_path / "report.html", horizon_days="30")
    page = (tmp_path / "report.html").read_text("utf-8")
    attention = page.split("What needs attention")[1].split("</section>")[0]
    assert "run.succeeded" in attention
    assert "vertex.span" in attention
    # The views are of another horizon.
    assert f'<h1 class="bad">2 of {len(verified.checks)} checks failed</h1>' in page
    assert rows_of_checks(page) == len(verified.checks)


def test_report__lists_runs_with_state_duration_and_rows(healthy: Healthy, tmp_path: Path) -> None:
    failed_run(healthy)
    page = write(healthy, tmp_path / "report.html")
    runs = page.split("Recent runs")[1]
    assert runs.index("FAILED") < runs.index("SUCCEEDED")
    assert "password authentication failed for user &quot;***&quot;" in runs
    assert "<td>5,400</td>" in runs
    assert re.search(r"<td>\d+\.\d s</td>", runs)


def test_report__without_a_table_says_so_and_shows_the_checks(
    healthy: Healthy, tmp_path: Path
) -> None:
    no_table(healthy)
    verified = healthy.verify(report=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert verified.status == 2
    assert "without charts: no table to read" in verified.said
    assert "No charts: no table to read" in page
    assert drawings(page) == []


@pytest.mark.parametrize("templates", [[], [{**settings.TEMPLATES[0], "APP_DIRS": False}]])
def test_report__needs_no_templates_of_the_project(config: Config, templates: list[Any]) -> None:
    snapshot = make_snapshot(config, data=None)
    result = Verification(config=config, snapshot=snapshot, findings=(), strict=False)
    with override_settings(TEMPLATES=templates):
        page, _ = render_report(result, Mock())
    assert config.table_id in page


def test_report__is_the_same_in_every_language_and_time_zone_of_a_project(config: Config) -> None:
    snapshot = make_snapshot(config, data=None, runs=[make_run("SUCCEEDED")])
    result = Verification(config=config, snapshot=snapshot, findings=(), strict=False)
    here, _ = render_report(result, Mock())
    with override("es"), timezone.override("America/Caracas"):
        there, _ = render_report(result, Mock())
    assert there == here
    for shown in ("42.5 s", "<td>12.50</td>", "2026-03-02 12:00 UTC"):
        assert shown in here


@pytest.mark.parametrize("library", ["altair", "vl_convert"])
def test_report__without_a_library_has_all_but_the_charts(
    healthy: Healthy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    path = tmp_path / "report.html"
    verified = healthy.verify(report=path)
    missing = "altair and vl-convert-python are not both installed: run `pip install -r"
    assert verified.status == 0
    assert f"Report: {path}, without charts: {missing} requirements-charts.txt`" in verified.said
    page = path.read_text("utf-8")
    assert "No charts: altair and vl-convert-python are not both installed" in page
    assert drawings(page) == []
    assert rows_of_checks(page) == len(verified.checks)
    assert "<td>5,400</td>" in page.split("Recent runs")[1]


_IMPORT = """
import sys
sys.modules.update(altair=None, vl_convert=None)
import django
django.setup()
import backend.forecasting.management.commands.bq_verify, backend.forecasting.monitoring.status
"""


def test_report__is_imported_without_the_libraries() -> None:
    """In a process of its own: in this one they have been imported."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "backend.config.settings"}
    command = [sys.executable, "-c", _IMPORT]
    subprocess.run(command, env=environment, cwd=settings.BASE_DIR, check=True)


def test_report__ids_stand_for_names_where_postgresql_is_away(
    healthy: Healthy, tmp_path: Path
) -> None:
    page = write(healthy, tmp_path / "report.html", source_database="postgres")
    assert "Entity 1" not in page
    assert len(re.findall(r"<h3><bdi>[0-9a-f]{8}-[0-9a-f-]{27}</bdi></h3>", page)) == 6 + EXAMPLES


def test_report__costs_two_queries_more(healthy: Healthy, tmp_path: Path) -> None:
    """What the charts show, and with a horizon the baseline."""

    def posted() -> int:
        return sum(request.method == "POST" for request in healthy.cloud.requests)

    before = posted()
    healthy.verify()
    without = posted() - before
    write(healthy, tmp_path / "report.html")
    assert posted() - before - without == without + 2 > 2
    assert not healthy.cloud.writes


_DRAW = """
from datetime import date
from backend.forecasting.output.day_charts import draw_rows_per_day
from backend.forecasting.output.report_data import DayRows
days = [DayRows(day=date(2026, 3, day), rows=day) for day in range(1, 20)]
drawn = draw_rows_per_day(days).wide
"""


def test_report__days_are_utc_in_every_zone_of_the_machine() -> None:
    """In another process than this one, which is in UTC: the converter reads the zone once."""
    elsewhere = subprocess.run(
        # Without Django, which puts a process into its own zone.
        [sys.executable, "-c", f"{_DRAW}print(drawn)"],
        env=os.environ | {"TZ": "America/Caracas"},
        cwd=settings.BASE_DIR,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    here: dict[str, str] = {}
    exec(_DRAW, here)  # noqa: S102
    assert os.environ["TZ"] == "UTC"
    assert here["drawn"] == elsewhere.removesuffix("\n")


# The command ---------------------------------------------------------------------------------


def refusal(**options: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call_command("bq_verify", stdout=StringIO(), **options)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def test_report_option__json_stays_one_document(healthy: Healthy, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    verified = healthy.verify(report=path)
    assert verified.document["ok"] is True
    assert f"Report: {path}" in verified.said.splitlines()


def test_report_option__directory_that_is_not_there_is_refused_before_any_query(
    healthy: Healthy, tmp_path: Path
) -> None:
    error = refusal(report=tmp_path / "nowhere" / "report.html")
    assert error.returncode == 1
    assert "there is no directory" in str(error)
    assert healthy.cloud.requests == []


def test_report_option__directory_as_file_is_refused(healthy: Healthy, tmp_path: Path) -> None:
    assert "a directory: name a file" in str(refusal(report=tmp_path))


def test_report_option__unwritable_directory_is_refused(
    healthy: Healthy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root, as whom tests may run, may write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "may not be written to" in str(refusal(report=tmp_path / "report.html"))


def test_report_option__full_disk_leaves_the_old_report(
    healthy: Healthy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    error = refusal(report=path)
    assert "cannot be written: No space left on device" in str(error)
    assert error.returncode == 1
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# In a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if reason := why_no_browser():
        pytest.skip(reason)
    with start_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser, hostile_file: Path) -> Browser:
    """A window that shows the report, and has forgotten everything before."""
    chromium.open("about:blank")
    chromium.console()
    chromium.requested()
    chromium.open(hostile_file.as_uri())
    return chromium


def test_browser__page_asks_for_nothing_and_complains_of_nothing(browser: Browser) -> None:
    assert [address.rsplit("/", 1)[1] for address in browser.requested()] == ["report.html"]
    assert browser.console() == []
    assert browser.evaluate("document.title") != "run"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_browser__fits_every_width(browser: Browser, width: int, dark: bool) -> None:
    browser.resize(width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    shown = browser.evaluate(
        "[...document.querySelectorAll('.chart svg')].filter(e => e.getBoundingClientRect().width"
        f" > {min(width * 0.8, 250)}).length"
    )
    assert shown == 10


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser__text_stands_out_from_the_page(browser: Browser, dark: bool) -> None:
    browser.resize(1200, dark=dark)
    page = luminance(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (page < 0.1) is dark
    for part in ("body", ".hint", "figcaption p", ".pass .mark", ".warn .mark", "caption"):
        color = browser.evaluate(f"getComputedStyle(document.querySelector('{part}')).color")
        assert contrast(luminance(color), page) >= 4.5, part
    ink = browser.evaluate("getComputedStyle(document.querySelector('.chart svg text')).fill")
    assert contrast(luminance(ink), page) >= 4.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser__steps_of_colour_differ_in_lightness(browser: Browser, dark: bool) -> None:
    """So that they are told apart by whoever sees no hues, and in a print in grey."""
    browser.resize(1200, dark=dark)
    fills = [
        browser.evaluate(
            f"getComputedStyle(document.querySelector('[fill=\"var(--chart-heat-{step})\"]')).fill"
        )
        for step in range(1, 6)
    ]
    steps = [luminance(fill) for fill in fills]
    assert steps == sorted(steps, reverse=not dark)
    assert [pair for pair in pairwise(steps) if contrast(*pair) < 1.3] == []


def luminance(color: str) -> float:
    """Relative luminance of a CSS rgb() colour (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)
