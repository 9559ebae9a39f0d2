import re
import socket
from pathlib import Path

import pytest
from django.conf import settings

from backend.demo.environment import forget_settings, unset_settings
from backend.forecasting.conf import load_config

EXAMPLE = Path(settings.BASE_DIR, ".env.example").read_text()


@pytest.mark.parametrize("name", unset_settings())
def test_example__has_every_setting(name: str) -> None:
    assert re.search(rf"^#{name}=", EXAMPLE, re.MULTILINE)


def test_example__has_no_setting_that_is_not_read() -> None:
    source = Path(settings.BASE_DIR, "backend", "config", "settings.py").read_text()
    names = re.findall(r"^#([A-Z_]+)=", EXAMPLE, re.MULTILINE)
    assert set(names) > set(unset_settings())
    assert [n for n in names if n not in unset_settings() and f'"{n}"' not in source] == []


def test_forget__takes_away_what_redirects_and_keeps_the_rest() -> None:
    environment = {
        "GOOGLE_APPLICATION_CREDENTIALS": "key.json",
        "CLOUDSDK_CORE_PROJECT": "real",
        "PGHOST": "real",
        "FORECASTING_TABLE": "real",
        "PATH": "/bin",
    }
    forget_settings(environment)
    assert environment == {"PATH": "/bin", **unset_settings()}


def test_forget__holds_in_the_tests() -> None:
    assert {name: getattr(settings, name) for name in unset_settings()} == unset_settings()


def test_forget__leaves_each_setting_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    unset, defaults = unset_settings(), load_config(optional=["project", "instance"])
    for name in unset:
        monkeypatch.delattr(settings, name)
    assert load_config(optional=["project", "instance"]) == defaults


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "name.invalid"])
def test_network__is_out_of_reach_of_the_tests(host: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"a test looked up {host}"):
        socket.create_connection((host, 80))


def test_network__is_out_of_reach_without_a_name() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"a test tried to connect to 192\.0\.2\.1"):
        socket.socket().connect(("192.0.2.1", 80))


def test_network__this_machine_is_within_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
