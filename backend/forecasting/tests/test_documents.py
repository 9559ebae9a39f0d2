"""README and docs/ against the program: what can run here runs, the rest at least exists."""

import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from backend.forecasting.conf import SETTINGS
from backend.forecasting.google.causes import CAUSES
from backend.forecasting.tests.support.documents import (
    DOCUMENTS,
    ROOT,
    Command,
    commands_in,
    flags_in,
    headings_of,
    links_in,
    sections_of,
    settings_table,
)
from backend.forecasting.tests.support.healthy import write_dense_history

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced

OPERATIONS = ROOT / "docs" / "operations.md"
PIPELINE = ("bq_setup", "bq_setup_etl", "bq_verify")
OURS = (*PIPELINE, "demo", "localcloud", "load_sample")
DRIFT = 2
RUN = ("README.md", "docs/google.md", "docs/operations.md")
WHOLE = [pytest.param(document, id=document.name) for document in DOCUMENTS]
UNMAPPED = {"README.md", "reliability.md"}
MAPPED = [param for param in WHOLE if param.id not in UNMAPPED]
CALLS = {str(command): command for document in DOCUMENTS for command in commands_in(document)}


def parser_of(name: str) -> object:
    return load_command_class(get_commands()[name], name).create_parser("manage.py", name)


@pytest.mark.parametrize("command", [pytest.param(c, id=text) for text, c in CALLS.items()])
def test_documents__every_call_is_one_that_the_program_takes(command: Command) -> None:
    name, *words = command.words
    parser_of(name).parse_args(words)  # type: ignore[attr-defined]


@pytest.mark.parametrize("document", WHOLE)
def test_documents__every_flag_is_one_of_ours(document: Path) -> None:
    known = {"--deploy", *tool_flags()}
    for name in OURS:
        known |= set(parser_of(name)._option_string_actions)  # type: ignore[attr-defined]
    assert flags_in(document) - known == set()


def tool_flags() -> set[str]:
    """The flags of what `python -m` runs in this repository and the product does not have."""
    sources = [path.read_text("utf-8") for path in ROOT.glob("*/__main__.py")]
    return {flag for source in sources for flag in re.findall(r'"(--[a-z-]+)"', source)}


@pytest.mark.parametrize("document", WHOLE)
def test_documents__every_link_leads_somewhere(document: Path) -> None:
    for path, heading in links_in(document):
        assert path.exists(), path
        assert not heading or heading in headings_of(path), f"{path}#{heading}"


@pytest.mark.parametrize("document", MAPPED)
def test_documents__begin_with_a_map(document: Path) -> None:
    """Of all documents that README has, and of the page itself."""
    beginning, sections = document.read_text("utf-8").split("\n## ")[0], sections_of(document)
    others = {path.name for path, _ in links_in(ROOT / "README.md") if path.suffix == ".md"}
    assert len(sections) > 1
    assert len(others) > 9
    assert [section for section in sections if f"[{section}](#" not in beginning] == []
    assert [name for name in others - {document.name} if f"{name})" not in beginning] == []


@pytest.mark.parametrize("document", WHOLE)
def test_documents__every_make_target_is_there(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets_in(document) <= targets


def targets_in(document: Path) -> set[str]:
    text = document.read_text("utf-8")
    return set(re.findall(r"(?:`|^    |^)make ([a-z-]+)", text, re.MULTILINE))


def test_documents__have_links_headings_flags_and_targets_to_look_at() -> None:
    """So that no test of these passes because none is found any more."""
    assert len(DOCUMENTS) > 8
    links = [link for document in DOCUMENTS for link in links_in(document)]
    assert {path.name for path, _ in links} > {"operations.md", "verification.md", "CHANGELOG.md"}
    assert len([heading for _, heading in links if heading]) > 5
    flags = {flag for document in DOCUMENTS for flag in flags_in(document)}
    assert flags > {"--run-now", "--backfill-days", "--check", "--reconcile", "--deploy"}
    targets = {target for document in DOCUMENTS for target in targets_in(document)}
    assert targets > {"demo", "test", "setup", "reliability", "mutants"}
    assert {command.words[0] for command in CALLS.values()} > set(PIPELINE)


def test_documents__every_requirements_file_is_there() -> None:
    texts = [document.read_text("utf-8") for document in DOCUMENTS]
    named = {name for text in texts for name in re.findall(r"requirements[a-z-]*\.txt", text)}
    assert {"requirements.txt", "requirements-charts.txt"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", ["README.md", ".env.example"])
def test_documents__every_setting_is_listed(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert len(SETTINGS) > 20
    assert [s.setting for s in SETTINGS if s.setting not in text] == []


def test_readme__settings_are_those_that_are_declared() -> None:
    """Where it fails, put what it expects into README.md."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert settings_table() in text, f"expected in README.md:\n\n{settings_table()}"


def test_readme__is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 220


def test_security__has_both_threat_models_on_a_page() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    parts = text.split("\n## ")[1:]
    assert [part.split()[1] for part in parts] == ["stand-in", "admin"]
    assert [part.count("\n| who | can | what stops the rest |") for part in parts] == [1, 1]
    assert [part.count("\nNot defended: ") for part in parts] == [1, 1]
    tests = set(re.findall(r"test_\w+\.py", text))
    assert len(tests) > 10
    assert {name for name in tests if not list((ROOT / "backend").rglob(name))} == set()
    assert text.count("\n") < 100


def test_changelog__newest_version_is_that_of_the_app() -> None:
    newest = re.findall(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[
        0
    ]
    versions = [load_command_class("backend.forecasting", name).get_version() for name in PIPELINE]
    assert versions == [newest] * 3


def test_operations__every_known_cause_has_its_row() -> None:
    rows = [describe_row(pattern, cause) for pattern, cause in CAUSES.items()]
    text = OPERATIONS.read_text("utf-8")
    assert len(rows) > 20
    assert [row for row in rows if row not in text] == []


def describe_row(pattern: str, cause: str) -> str:
    """A cause as the table of docs/operations.md has it, in the program's own words."""
    fragments = pattern.replace('"[^"]*"', '"x"').replace(".*", " ... ").split("|")
    return f"   | {' or '.join(f'`{fragment}`' for fragment in fragments)} | {cause} |\n"


@pytest.mark.usefixtures("undrawn")
@pytest.mark.django_db(transaction=True)
def test_documents__every_command_runs(
    pipeline: "LocalCloud", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one once, after bq_setup: what one leaves behind is what the next one finds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verification").mkdir()
    write_dense_history()
    found = [command.words for name in RUN for command in commands_in(ROOT / name)]
    commands = dict.fromkeys([("bq_setup",), *(words for words in found if words[0] in PIPELINE)])
    assert len(commands) > 18
    for words in commands:
        run(*words)


def run(name: str, *words: str) -> None:
    """Run one command; drift and failed checks are among what a document leads through."""
    try:
        call_command(name, *words, stdout=StringIO(), stderr=StringIO())
    except CommandError as error:
        if not (name == "bq_verify" or "--check" in words) or error.returncode != DRIFT:
            pytest.fail(f"{name} {words}: {error}")
