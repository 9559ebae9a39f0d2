"""No test's request goes by way of the proxy of whoever runs the tests."""

import pytest
from requests.utils import get_environ_proxies


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9050/bigquery/v2", "https://bigquery.googleapis.com/bigquery/v2"]
)
def test_request__goes_to_no_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    assert get_environ_proxies("https://example.com") != {}
    assert get_environ_proxies(url) == {}
