"""Text that becomes SQL: placeholders and quotes."""

import pytest

from backend.forecasting.sql.queries import embedded
from backend.forecasting.sql.template import (
    quote_identifier,
    quote_path,
    quote_string,
    quote_text,
    render,
)


@pytest.mark.parametrize(
    ("template", "names", "text"),
    [
        ("SELECT {{ a }}", {"a": "1"}, "SELECT 1\n"),
        ("  {{ a }}, {{ b }}\nx", {"a": "1,\n2", "b": "3"}, "  1,\n  2, 3\nx\n"),
        ("a\n  {{ none }}\nb", {"none": ""}, "a\nb\n"),
        ("a {{ none }}\n\nb", {"none": ""}, "a \n\nb\n"),
        ("{{ a }} {{ a }}", {"a": "x"}, "x x\n"),
    ],
)
def test_template__has_its_names_put_in(template: str, names: dict[str, str], text: str) -> None:
    assert render(template, **names) == text


def test_template__fails_on_every_name_that_is_missing_or_unused() -> None:
    with pytest.raises(KeyError) as raised:
        render("{{ a }} {{ missing }} {{b}}", a="1", unused="2")
    assert raised.value.args == ("placeholders without value or unused: ['missing', 'unused']",)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", "'plain'"),
        ("with space", "'with space'"),
        ("it's", "U&'it!+000027s' UESCAPE '!'"),
        ('a\\b;`@"', "U&'a!+00005Cb!+00003B!+000060!+000040!+000022' UESCAPE '!'"),
        ("two\nlines", "U&'two!+00000Alines' UESCAPE '!'"),
        ("ñ", "'ñ'"),
        ("ñ'", "U&'!+0000F1!+000027' UESCAPE '!'"),
        ("", "''"),
    ],
)
def test_text__is_quoted_for_postgresql_inside_of_a_raw_literal(text: str, quoted: str) -> None:
    assert quote_text(text) == quoted
    assert quote_identifier(text) == quoted.replace("'", '"', 2).replace(
        '" UESCAPE "', "\" UESCAPE '"
    )


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", "'plain'"),
        ("it's", "'it\\'s'"),
        ("a\\b", "'a\\\\b'"),
        ("`a`", "'\\`a\\`'"),
        ("a\nb\x00", "'a\\U0000000ab\\U00000000'"),
        ("ñ", "'ñ'"),
    ],
)
def test_string__is_quoted_for_bigquery(text: str, quoted: str) -> None:
    assert quote_string(text) == quoted


def test_path__has_only_parts_that_can_be_one() -> None:
    assert quote_path("a-1", "b_2", "c.d:E") == "`a-1.b_2.c.d:E`"
    for part in ("", "a`b", "a b", "ñ", "a\n"):
        with pytest.raises(ValueError, match="cannot be part") as raised:
            quote_path("a", part)
        assert str(raised.value) == f'"{part}" cannot be part of a GoogleSQL path'


@pytest.mark.parametrize("forbidden", ["\\", "'''", '"""', ";"])
def test_query__that_would_end_the_literals_around_it_is_refused(forbidden: str) -> None:
    assert embedded(" SELECT 'a' \n") == "SELECT 'a'"
    with pytest.raises(ValueError, match="may not contain") as raised:
        embedded(f"SELECT {forbidden} AS a")
    assert str(raised.value) == f"source_query.sql may not contain {forbidden}"
