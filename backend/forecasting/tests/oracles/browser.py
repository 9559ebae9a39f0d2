"""Debian's Chromium, driven through ChromeDriver's own HTTP interface (W3C WebDriver)."""

import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

# As root Chromium needs --no-sandbox, and where /dev/shm is small, as in many a container, another
# place for what its processes share; the others keep it from looking for Google's hosts.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_SECONDS = 60


def why_no_browser() -> str:
    """What is missing, for a skip; empty where a browser can be started."""
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"not installed: {' and '.join(missing)} (Debian packages)" if missing else ""


@dataclass(frozen=True)
class Browser:
    """One window; `url` is that of its WebDriver session."""

    url: str

    def open(self, address: str) -> None:
        self._post("url", {"url": address})

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self._post("execute/sync", {"script": f"return {expression}", "args": []})

    def resize(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Give the page a viewport of exactly this size, and its reader a taste in colours."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", {"features": [scheme]})

    def take_screenshot(self, path: Path) -> None:
        """The whole page, as a PNG file."""
        shot = self.command(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def console(self) -> list[str]:
        """What the page has written to the console since this was last asked, refusals too."""
        return [entry["message"] for entry in self._post("se/log", {"type": "browser"})]

    def requested(self) -> list[str]:
        """The addresses that were asked for since this was last asked."""
        entries = self._post("se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def command(self, name: str, parameters: dict[str, Any]) -> Any:
        """Send a command of the Chrome DevTools Protocol."""
        return self._post("goog/cdp/execute", {"cmd": name, "params": parameters})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        reply = requests.post(f"{self.url}/{path}", json=body, timeout=_SECONDS)
        value = reply.json()["value"]
        assert reply.ok, value
        return value


@contextmanager
def start_browser() -> Iterator[Browser]:
    """A browser with a profile of its own; both end with the block."""
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            browser = _open_window(f"http://127.0.0.1:{_port(driver)}/session", profile)
            try:
                yield browser
            finally:
                requests.delete(browser.url, timeout=_SECONDS)
    finally:
        driver.terminate()
        driver.wait()
        if driver.stdout:
            driver.stdout.close()


def _port(driver: "subprocess.Popen[str]") -> int:
    for line in driver.stdout or ():
        if "started successfully on port" in line:
            return int(line.rstrip(".\n").rsplit(" ", 1)[1])
    raise AssertionError("chromedriver did not start")


def _open_window(sessions: str, profile: str) -> Browser:
    wanted = {
        "goog:chromeOptions": {"args": [*_FLAGS, f"--user-data-dir={profile}"]},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    reply = requests.post(
        sessions, json={"capabilities": {"alwaysMatch": wanted}}, timeout=_SECONDS
    )
    value = reply.json()["value"]
    assert reply.ok, value
    return Browser(f"{sessions}/{value['sessionId']}")
