"""A real Chromium, a real JupyterLab on a free port of this machine, and screenshots kept under build/screenshots."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCREENSHOTS = REPOSITORY / "build" / "screenshots"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.fail(
            "Chromium is not on PATH; install it (Debian: apt-get install chromium) and run make browser again",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and the errors and warnings on its console."""

    page: Any
    messages: list[tuple[str, str]] = field(default_factory=list)

    def keep(self, kind: str, text: str) -> None:
        """Keep a message of the console if it is an error or a warning."""
        if kind in ("error", "warning"):
            self.messages.append((kind, text))

    @property
    def errors(self) -> list[str]:
        """The errors alone: JupyterLab itself warns now and then."""
        return [text for kind, text in self.messages if kind == "error"]

    def shot(self, name: str, *, of: str | None = None) -> Path:
        """Keep a screenshot as an artefact."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        (self.page.locator(of).first if of else self.page).screenshot(path=path)
        return path

    def pixels(self, selector: str) -> list[int]:
        """RGBA bytes of the first canvas that matches, read from a copy: Chromium warns of canvases read often."""
        return self.page.locator(selector).first.evaluate(
            """c => {
              const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', { willReadFrequently: true });
              copy.drawImage(c, 0, 0);
              return Array.from(copy.getImageData(0, 0, c.width, c.height).data);
            }"""
        )


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Any]:
    contexts = []

    def open_one(address: str = "", **options: Any) -> Watched:
        context = chromium.new_context(**({"viewport": {"width": 1180, "height": 900}} | options))
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.set_default_timeout(60_000)
        watched.page.on("console", lambda message: watched.keep(message.type, message.text))
        watched.page.on("pageerror", lambda error: watched.keep("error", str(error)))
        if address:
            watched.page.goto(address)
        return watched

    yield open_one
    for context in contexts:
        context.close()


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    address: str
    token: str
    folder: Path

    def url(self, name: str) -> str:
        return f"{self.address}/doc/tree/{name}?token={self.token}"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with settings of its own; the news pop-up is off and the app can be reached from the page."""
    home, folder = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")
    news = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false"}', encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    places = {
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "DSRL_LAB_STATIC")}
    environment |= {name: str(home / place) for name, place in places.items()}
    environment |= {"OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"}
    options = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True"]
    options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--allow-root"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log, cwd=folder
        )
        try:
            _await_server(f"http://127.0.0.1:{port}/api?token={token}", process, home / "log")
            yield Lab(f"http://127.0.0.1:{port}", token, folder)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _await_server(address: str, process: subprocess.Popen[Any], log: Path) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(
        "JupyterLab did not start:\n" + re.sub(r"token=\w+", "token=...", log.read_text())[-2000:], pytrace=False
    )
