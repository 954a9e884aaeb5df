"""The rig of the dashboard's journeys: a real laboratory, a real broker, a real browser.

How to write one:

    def test_somebody_does_something(lab: Laboratory, person: Enter) -> None:
        anna = person("anna")                      # a browser of her own, 1440 px wide; width=390, dark=True
        anna.log_in()                              # by the form; lands on the proposals
        pid = anna.waiting()[0]
        anna.approve(pid)                          # opens its page, signs with her password, waits for "It counted"
        anna.shoot("approved")                     # a picture for build/screenshots, named approved-1440-light.png

- ``lab`` is one laboratory for all tests of a file (some 12 s to the first proposals). Another policy or speed: a
  fixture ``wanted`` of the file's own, as ``test_dashboard_two_people`` has. One for a single test: ``with
  laboratory(tmp_path, Wanted(...)) as other``. Lab time runs an hour a second, so that a firing takes some ten; what
  waits expires after an hour of the machine's time.
- ``with apart(lab, "ben") as pages`` runs ``labwright dashboard`` on ben's machine: ``person("ben", base=pages)``.
- ``lab.command("approve", pid, user="ben")`` runs a person's command line; ``lab.broker.kill()`` kills the broker,
  which its supervisor starts again; ``lab.log()`` is what the daemon logged.
- Everybody's password is ``PASSWORD``; who there is, and in which role, is ``PEOPLE`` (both ``e2e.laboratory``).
- After each test every browser that was opened must have had no fault in its console and no request elsewhere; a test
  that provokes faults clears ``person.faults``. When a test fails, what each browser showed is in ``failed-*.png``.
- Playwright's loop runs in this thread while ``browser`` lives: ``asyncio.run`` does not work in these files. Use a
  subprocess, or a thread.
- Without Chromium or Mosquitto the tests are skipped, with the reason.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from patience import require_broker

from e2e.laboratory import Laboratory, Wanted, laboratory
from e2e.person import PATIENCE_MS, Person

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_HEIGHTS = {390: 844, 1440: 900}


class Enter(Protocol):
    """Seats a person at a browser of their own."""

    def __call__(self, name: str, *, width: int = 1440, dark: bool = False, base: str = "") -> Person:
        """Seat them.

        Args:
            name: who.
            width: of the window, in pixels.
            dark: whether the system is set to dark.
            base: of another dashboard than the laboratory's own.
        """
        ...


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: ``$LABWRIGHT_SCREENSHOTS``, or a temporary directory."""
    told = os.environ.get("LABWRIGHT_SCREENSHOTS", "")
    path = Path(told) if told else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, for the tests of one file."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = str(CHROMIUM) if CHROMIUM.exists() else shutil.which("chromium")
    if found is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def wanted() -> Wanted:
    """How the laboratory is to be; a file whose tests want another one has a fixture of this name."""
    return Wanted()


@pytest.fixture(scope="module")
def lab(wanted: Wanted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A laboratory, for the tests of one file."""
    require_broker("mosquitto")
    with laboratory(tmp_path_factory.mktemp("laboratory"), wanted) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember whether a test failed, for the fixture that takes pictures then."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


_FAILED = pytest.StashKey[bool]()


@pytest.fixture
def person(browser: Browser, lab: Laboratory, shots: Path, request: pytest.FixtureRequest) -> Iterator[Enter]:
    """Seats people at browsers; afterwards none of these may have complained."""
    people: list[Person] = []

    def enter(name: str, *, width: int = 1440, dark: bool = False, base: str = "") -> Person:
        context = browser.new_context(
            viewport={"width": width, "height": _HEIGHTS.get(width, 900)}, color_scheme="dark" if dark else "light",
            reduced_motion="reduce", locale="en-GB", timezone_id="Europe/Berlin",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        look = f"{width}-{'dark' if dark else 'light'}"
        people.append(Person(name, context, context.new_page(), base or lab.dashboard, shots, look))
        return people[-1]

    yield enter
    failed = request.node.stash.get(_FAILED, False)
    for one in people:
        if failed:
            one.shoot(f"failed-{request.node.name[:60]}-{one.name}")
        one.context.close()
    if not failed:
        assert {one.name: one.faults for one in people if one.faults} == {}
        assert {one.name: one.elsewhere for one in people if one.elsewhere} == {}
