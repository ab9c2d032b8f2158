"""The embedded stack with a small imported world in it, and Debian's chromium to look at it with."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MARQUEE = Path(sys.executable).with_name("marquee")
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FEATURES = """
from pipelines import refreshing
from pipelines.core.settings import load
interval = refreshing.plan(load(), None, None)
refreshing.compute(load(), interval)
refreshing.publish(load(), interval)
"""


@dataclass(frozen=True)
class Home:
    """A stack of our own: its folder, and how to call `marquee` on it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> str:
        """What the command printed; AssertionError, with all it said, unless it ended well."""
        done = subprocess.run(
            command, env=self.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def marquee(self, *words: str) -> str:
        return self.run(str(MARQUEE), *words)

    def addresses(self) -> dict[str, str]:
        """Where each server listens."""
        found = json.loads(self.run(str(MARQUEE), "status", "--json"))
        return {server["name"]: server["url"] for server in found["servers"]}

    def living(self) -> list[str]:
        """Every process that was told of this folder, by its environment or its command line."""
        return [f"{p.pid} {' '.join(p.info['cmdline'])}" for p in psutil.process_iter(["cmdline"]) if self._knows(p)]

    def _knows(self, process: psutil.Process) -> bool:
        try:
            told = [*process.environ().values(), *process.cmdline()]
            return process.status() != psutil.STATUS_ZOMBIE and any(str(self.folder) in word for word in told)
        except psutil.Error:
            return False


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """300 members and 14 days, imported, with features: what `retrain` needs. Whatever a test starts here is ended."""
    folder = tmp_path_factory.mktemp("stack") / "home"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MARQUEE"))}
    own = {"MARQUEE_HOME": str(folder), "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    home = Home(folder, kept | own)
    world = str(folder.parent / "world")
    home.marquee("world", "--seed", "7", "--members", "300", "--days", "14", "--to", world)
    home.marquee("import", "tables", "--path", world)
    home.run(sys.executable, "-c", FEATURES)
    yield home
    home.marquee("down")


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where a Chromium is. Without one the tests fail, saying how to get it; they skip where there is no way to."""
    found = next((path for path in CHROMIUM if Path(path).exists()), shutil.which("chromium"))
    if found is None:
        remedy = "no Chromium: `apt-get install chromium`, then `make test-browser`"
        if shutil.which("apt-get"):
            pytest.fail(remedy)
        pytest.skip(remedy)
    return found


@pytest.fixture
def page(chromium: str, tmp_path: Path) -> Iterator[Any]:
    """A page of a browser without a past."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright has no wheel here")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium, args=QUIET, viewport={"width": 1400, "height": 1000}
        )
        context.set_default_timeout(60_000)
        yield context.new_page()
        context.close()


@pytest.fixture
def keep(page: Any, tmp_path: Path) -> Callable[[str], None]:
    """Keep a picture of the page under a name, in $MARQUEE_SCREENSHOTS or the test's own folder."""
    folder = Path(os.environ.get("MARQUEE_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name: page.screenshot(path=folder / f"{name}.png")
