"""Any text as a setting or flag: a value that is safe wherever it goes, or one clear sentence.

That no accepted name changes the statements of the script is in test_googlesql.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backend.forecasting.conf import SETTINGS, Config, load_config
from backend.forecasting.conf.forms import DAYS, SECONDS, Form
from backend.forecasting.errors import ForecastingError, SettingError
from backend.forecasting.output.files import refuse_unwritable
from backend.forecasting.sql.role import render_connection_role
from backend.forecasting.tests.support.commands import Run
from backend.forecasting.tests.support.factories import INSTANCE, PROJECT, SERVICE_ACCOUNT, TOPIC
from backend.forecasting.tests.support.texts import CHARACTERS

pytestmark = pytest.mark.untraced

GIVEN = {"project": PROJECT, "instance": INSTANCE}
BY_FIELD = {setting.field: setting for setting in SETTINGS}
FIELDS = st.sampled_from(sorted(BY_FIELD))
LONGEST = 700
"""Characters of a message that is still one sentence to read."""

VALID = {
    **{setting.field: setting.default for setting in SETTINGS if setting.default},
    **GIVEN,
    "refresh_days": "7",
    "service_account": SERVICE_ACCOUNT,
    "notification_topic": TOPIC,
    "horizon_days": "14",
    "event_lookback_days": "30",
    "api_endpoint": "http://127.0.0.1:9050",
    "grpc_endpoint": "127.0.0.1:9051",
    "time_zone": "UTC",
}
PATHS = {field for field in VALID if field.endswith("_field")}
"""Names of fields and keys of JSON, which may be any text: they go nowhere but into SQL."""

# What somebody might put into a value to get out of a literal, a path, a template, a page, a shell
# command, a log line or a terminal; and what a regular expression may read as something else.
NASTY = (
    *("\0", "\n", "\r\n", "\t", "\x1b[31m", "\x7f", "\u202e", "\u2028", "\ufeff", "\U0001f600"),
    *("'", '"', "`", "'''", '"""', "\\", "\\'", "--", "/*", ";", "; DROP TABLE x; --", ":'role'"),
    *("${{", "{{ table }}", "{% debug %}", "%s", "%(x)s", "$(id)", "`id`", "$IFS", "| id", "&& id"),
    *("<script>alert(1)</script>", "</style>", "&lt;", "../..", "file:///", "@", "٩", "İ", "ß"),
)
TEXT = st.text(CHARACTERS, max_size=40)
LONG = st.builds(lambda text, times: text * times, TEXT, st.sampled_from([50, 5_000]))


def hostile(field: str) -> st.SearchStrategy[str]:
    """Any text, a very long one, or the valid value with something nasty put into it."""
    valid = VALID[field]

    def insert(nasty: str, at: int) -> str:
        return valid[:at] + nasty + valid[at:]

    inserted = st.builds(insert, st.sampled_from(NASTY), st.integers(0, len(valid)))
    return st.one_of(TEXT, st.sampled_from(NASTY), inserted, LONG)


PAIRS = FIELDS.flatmap(lambda field: st.tuples(st.just(field), hostile(field)))
moderately = hypothesis_settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.large_base_example],
)


def assert_clear(message: str) -> None:
    """One line that can be read, and printed on any terminal."""
    assert message.isprintable()
    assert len(message) <= LONGEST
    assert "Traceback" not in message


def refusal_of(call: Callable[[], object]) -> str | None:
    """What a setting is refused with; None where it is taken."""
    try:
        call()
    except SettingError as error:
        return str(error)
    return None


@moderately
@given(PAIRS)
@example(("dataset", "intelligence\n\x1b[2J"))
@example(("dataset", "a" * 100_000))
@example(("service_account", f"$(id){SERVICE_ACCOUNT}"))
def test_flag__any_text_is_taken_or_refused_in_one_clear_sentence(pair: tuple[str, str]) -> None:
    field, text = pair
    setting = BY_FIELD[field]
    refusal = refusal_of(lambda: load_config({**GIVEN, field: text}))
    if refusal is not None:
        assert_clear(refusal)
        assert refusal.startswith((f'{setting.flag} is "', setting.setting, "FORECASTING_"))


@moderately
@given(PAIRS)
def test_setting__any_text_is_taken_or_refused_in_one_clear_sentence(
    pair: tuple[str, str],
) -> None:
    field, text = pair
    setting = BY_FIELD[field]
    given_flags = {name: value for name, value in GIVEN.items() if name != field}
    with override_settings(**{setting.setting: text}):
        refusal = refusal_of(lambda: load_config(given_flags))
    if refusal is not None:
        assert_clear(refusal)
        assert setting.setting in refusal


def test_message__shows_what_cannot_be_printed_and_cuts_what_is_long() -> None:
    with pytest.raises(SettingError) as raised:
        load_config({**GIVEN, "dataset": "a\n\x1b\u202eb" + "c" * 5000})
    assert str(raised.value).startswith('--dataset is "a\\n\\x1b\\u202ebccc')
    assert 'ccc...": expected ' in str(raised.value)


@moderately
@given(PAIRS)
@example(("service_account", f'"; rm -rf ~; "{SERVICE_ACCOUNT}'))
@example(("service_account", f"<script>{SERVICE_ACCOUNT}"))
@example(("source_database", "a$b-c"))
def test_accepted__value_means_nothing_to_shell_page_or_literal(pair: tuple[str, str]) -> None:
    """Values go into commands to paste, into the report and into SQL."""
    config = load_or_refuse(pair)
    if config:
        assert_harmless(config)


def assert_harmless(config: Config) -> None:
    texts = {name: value for name, value in vars(config).items() if isinstance(value, str)}
    assert len(texts) > 10
    for name, text in texts.items():
        assert text.isprintable()
        if name not in PATHS:
            assert text.isascii()
            assert not set(text) & set("'\"`\\<>&;|(){}*?!#")
            assert "$" not in text or text == config.source_database


@pytest.mark.parametrize(
    "pair",
    [
        ("source_database", "a$b-c"),
        ("service_account", SERVICE_ACCOUNT),
        ("schedule", "every 24 hours"),
        ("table", "other_table"),
    ],
)
def test_accepted__values_are_there(pair: tuple[str, str]) -> None:
    """Some that the tests of any text would not come to see."""
    config = load_or_refuse(pair)
    assert config
    assert getattr(config, pair[0]) == pair[1]
    assert_harmless(config)


def load_or_refuse(pair: tuple[str, str]) -> Config | None:
    field, text = pair
    try:
        return load_config({**GIVEN, field: text})
    except SettingError:
        return None


@moderately
@given(hostile("source_database"))
@example("a$b-c")
def test_role_script__database_stays_one_identifier(text: str) -> None:
    config = load_or_refuse(("source_database", text))
    assert config or text != "a$b-c"
    if config:
        script = render_connection_role(config).splitlines()
        (grant,) = [line for line in script if line.startswith("GRANT CONNECT")]
        assert grant == f'GRANT CONNECT ON DATABASE "{config.source_database}" TO :"role";'
        assert grant.count('"') == 4


@moderately
@given(st.one_of(TEXT, LONG, st.sampled_from(NASTY), st.integers(), st.floats()))
def test_number_flag__any_text_is_a_number_in_range_or_refused(value: Any) -> None:
    for form in (DAYS, SECONDS):
        assert_number_or_refusal(form, value)


def assert_number_or_refusal(form: Form, value: Any) -> None:
    taken: list[float] = []
    refusal = refusal_of(lambda: taken.append(form.read("--flag", value)))
    if refusal is None:
        assert 0 < taken[0] < 1_000_000
    else:
        assert_clear(refusal)
        assert refusal.startswith('--flag is "')


@moderately
@given(st.one_of(TEXT, LONG, st.sampled_from(NASTY)).map(lambda text: f"/nowhere/x{text}"))
@example("/nowhere/\0")
@example("/" + "a" * 5000)
@example("\0")
def test_report_flag__any_path_is_refused_in_one_clear_sentence(text: str) -> None:
    with pytest.raises(ForecastingError) as raised:
        refuse_unwritable("--report", Path(text))
    assert_clear(str(raised.value))


@pytest.mark.parametrize("command", ["bq_setup", "bq_setup_etl", "bq_verify"])
def test_command__hostile_flag_ends_with_status_1(run: Run, command: str) -> None:
    assert NASTY
    for nasty in NASTY:
        result = run(command, f"--dataset=intelligence{nasty}x")
        assert result.status == 1
        assert_clear(result.error)
        assert result.out == ""
