"""What is made of a line, which tests are tried on it, and that no change is left behind."""

import json
from pathlib import Path

import pytest

from mutants.equivalents import FILE, load_equivalents
from mutants.imports import importers
from mutants.instrument import instrument
from mutants.mutant import Mutant
from mutants.places import place_of, spans
from mutants.record import load_record
from mutants.results import Results
from mutants.sections import kept_sections, put_section
from mutants.sql_mutants import sql_sites
from mutants.suite import READING_ALL, Suite, load_suite
from mutants.tree import ROOT, product_files
from mutants.trial import Trial, Verdict, failing_by_themselves, try_mutant

QUERY = "-- Comment with < in it.\nSELECT 1 AS x\nWHERE day >= @start AND day < @end\n"
SOURCE = (
    'class A:\n    @property\n    def b(self):\n        """What."""\n        return 1\n\nx = 2\n'
)


def mutant(text: str = "assert False\n", file: str = "product.py", place: str = "") -> Mutant:
    return Mutant(file=file, line=1, place=place or file, before="x", after="y", text=text)


def test_sql__each_comparison_condition_and_constant_is_changed_but_no_comment() -> None:
    made = [change() for site in sql_sites("q.sql", QUERY) for change in site.changes]
    changes = [(m.line, m.after) for m in made if m]
    assert changes == [
        (2, "SELECT 2 AS x"),
        (3, "WHERE day > @start AND day < @end"),
        (3, "WHERE day >= @start OR day < @end"),
        (3, "WHERE day >= @start AND day <= @end"),
    ]


def test_python__changes_are_found_at_their_places_and_not_in_prose() -> None:
    pytest.importorskip("mutmut", reason="`make mutants` installs it")
    from mutants.python_mutants import python_sites

    text = "from a import b\ndef f(days: int = 7):\n    return 'two words' if days < b else 'x'\n"
    sites = python_sites("p.py", text)
    made = [m for site in sites for change in site.changes if (m := change())]
    assert any("days <= b" in m.after and m.place == "p.py:f" for m in made)
    assert any("days: int = 8" in m.after and m.place == "p.py" for m in made)
    assert not any("TWO" in m.after or "import" in m.after for m in made)


def test_places__are_the_innermost_functions() -> None:
    import ast

    places = spans(ast.parse(SOURCE), "p.py")
    assert [place_of(places, "p.py", line) for line in (5, 7)] == ["p.py:A.b", "p.py"]


def test_instrumented_product__says_where_it_comes_and_does_the_same(tmp_path: Path) -> None:
    path = tmp_path / "p.py"
    path.write_text(SOURCE)
    instrument(path, "p.py")
    names: dict[str, object] = {}
    exec(compile(path.read_text(), "p.py", "exec"), names)  # noqa: S102
    assert '_mutants_seen("p.py:A.b")' in path.read_text()
    assert names["x"] == 2


def test_suite__tries_what_sees_a_mutant_and_leaves_out_what_comes_elsewhere() -> None:
    suite = Suite(
        seconds={"a.py::slow": 2.0, "a.py::quick": 1.0, "a.py::other": 1.0, "a.py::docs": 1.0},
        places={
            "a.py::slow": frozenset({"p.py:f"}),
            "a.py::quick": frozenset({"p.py:f", "p.py:g"}),
            "a.py::other": frozenset({"q.py:h"}),
            "a.py::docs": frozenset(),
        },
    )
    seen = mutant(file="p.py", place="p.py:f")
    assert suite.first_for(seen) == ["a.py::quick", "a.py::slow"]
    assert suite.rest_for(seen, suite.first_for(seen), 60) == ["a.py::docs"]
    assert suite.rest_for(seen, ["a.py::quick"], 1.5) == ["a.py::docs"]
    assert suite.first_for(mutant(file="p.py")) == ["a.py::quick", "a.py::slow"]
    assert suite.without({"a.py::quick"}).first_for(seen) == ["a.py::slow"]


def test_suite__tries_those_of_importers_on_what_is_in_no_function() -> None:
    places = {"a.py::x": frozenset({"q.py:h"}), "a.py::y": frozenset({"r.py:h"})}
    suite = Suite(dict.fromkeys(places, 1.0), places, {"p.py": frozenset({"q.py"})})
    assert suite.seeing(mutant(file="p.py")) == {"a.py::x"}


def test_suite__tries_what_reads_all_modules_on_any_python() -> None:
    reading = f"{READING_ALL}::test_all"
    places = {reading: frozenset({"q.py:h"}), "a.py::x": frozenset({"p.py:f", "p.sql"})}
    suite = Suite(dict.fromkeys(places, 1.0), places)
    assert suite.seeing(mutant(file="p.py", place="p.py:f")) == {reading, "a.py::x"}
    assert suite.seeing(mutant(file="p.py")) == {reading, "a.py::x"}
    assert suite.seeing(mutant(file="p.sql", place="p.sql")) == {"a.py::x"}


def test_suite__reads_all_modules_by_a_file_that_is_there() -> None:
    assert (ROOT / READING_ALL).is_file()


def test_importers__are_told_by_relative_imports() -> None:
    found = importers(["backend/forecasting/sql/queries.py", "backend/forecasting/sql/template.py"])
    assert found["backend/forecasting/sql/template.py"] == {"backend/forecasting/sql/queries.py"}


def recorded(folder: Path) -> Path:
    lines = [["a.py::good", 0.5, True], ["a.py::bad", 0.5, True], ["a.py::bad", 0.1, False]]
    through = {"file": "a.py", "digest": "1"}
    folder.mkdir()
    (folder / "1.tests").write_text("\n".join(map(json.dumps, [*lines, through])))
    (folder / "1").write_text("p.py:f\ta.py::good (call)\np.py:shared\ta.py\n")
    (folder / "2.tests").write_text('["b.py::cut", 0.5, true]\n["b.py::sho')
    return folder


def test_suite__leaves_out_what_fails_by_itself(tmp_path: Path) -> None:
    suite = load_suite(recorded(tmp_path / "s"))
    assert suite.seconds == {"a.py::good": 0.5, "b.py::cut": 0.5}
    assert suite.places["a.py::good"] == {"p.py:f", "p.py:shared"}


def test_record__keeps_what_is_as_it_was_and_forgets_the_rest(tmp_path: Path) -> None:
    record = load_record(recorded(tmp_path / "s"))
    assert record.digests == {"a.py": "1"}
    record.keep({"a.py"})
    assert load_record(tmp_path / "s") == record
    assert set(load_suite(tmp_path / "s").seconds) == {"a.py::good"}


def test_results__go_on_where_they_were_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = mutant(file="p.py"), mutant(file="q.py")
    trial = Trial(mutant=first, verdict=Verdict.TIMEOUT, test="a.py::x", tried=3, seconds=1.5)
    results = Results(tmp_path / "results")
    results.store([])
    results.append(trial)
    assert Results(tmp_path / "results").load([second, first]) == [trial]
    monkeypatch.setattr("mutants.results.backend_files", lambda: ["manage.py"])
    assert Results(tmp_path / "results").load([second, first]) == []


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("x = 1\n", Verdict.SURVIVED), ("x = 2\n", Verdict.NOTICED)],
)
def test_trial__ends_with_the_original_in_its_place(
    tmp_path: Path, text: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "product.py").write_text("x = 1\n")
    (tmp_path / "test_it.py").write_text("import product\ndef test_x(): assert product.x == 1\n")
    (tmp_path / "mutants").symlink_to(ROOT / "mutants")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    test = "test_it.py::test_x"
    suite = Suite(seconds={test: 0.1}, places={test: frozenset({"product.py:f"})})
    trial = try_mutant(mutant(text), suite, tmp_path, rest=0)
    assert trial.verdict is verdict
    assert trial.test == (test if verdict is Verdict.NOTICED else "")
    assert (tmp_path / "product.py").read_text() == "x = 1\n"


def test_test__that_fails_by_itself_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "test_it.py").write_text("def test_a(): assert 0\ndef test_b(): pass\n")
    (tmp_path / "mutants").symlink_to(ROOT / "mutants")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    tests = ["test_it.py::test_a", "test_it.py::test_b"]
    suite = Suite(dict.fromkeys(tests, 0.1), dict.fromkeys(tests, frozenset()))
    assert failing_by_themselves(tests, suite, tmp_path) == {"test_it.py::test_a"}


def test_section__is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text("# Title\n")
    put_section(document, "mutants 1", "old")
    put_section(document, "mutants 2", "other")
    put_section(document, "mutants 1", "new")
    assert document.read_text() == (
        "# Title\n\n<!-- mutants 1 -->\nnew\n<!-- end of mutants 1 -->\n\n"
        "<!-- mutants 2 -->\nother\n<!-- end of mutants 2 -->\n"
    )


def test_sections__are_kept_when_the_document_is_written_anew(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    assert kept_sections(document, "mutants") == ""
    document.write_text("# Old\n")
    put_section(document, "mutants 1", "figures")
    put_section(document, "other", "plan")
    kept = kept_sections(document, "mutants")
    assert kept == "\n<!-- mutants 1 -->\nfigures\n<!-- end of mutants 1 -->\n"


def test_equivalents__are_of_files_that_are_there_and_say_why() -> None:
    files = product_files()
    assert len(files) > 80
    found = load_equivalents(FILE.read_text("utf-8"))
    assert {file for file, _, _ in found} <= set(files)
    assert all(len(reason) > 20 for reason in found.values())


def test_equivalents__malformed_entry_is_refused() -> None:
    assert load_equivalents("# note\nf.py\n- a\n+ b\n= why\n") == {("f.py", "a", "b"): "why"}
    with pytest.raises(ValueError, match="an entry is FILE"):
        load_equivalents("f.py\n- a\n= why\n+ b\n")


def test_product__is_its_python_and_its_templates_without_tests() -> None:
    files = product_files()
    assert "backend/forecasting/sql/nightly_load.sql" in files
    assert "backend/forecasting/conf/config.py" in files
    assert not [file for file in files if "tests" in file or "migrations" in file]
