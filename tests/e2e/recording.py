"""The dashboard's pictures for the README, taken of a virtual laboratory that runs.

    python -m tests.e2e.recording [--out docs] [--home DIR]

writes ``dashboard.gif``, one proposal's way from the login to the campaign's curve, and two sheets of all pages,
``dashboard-1440.png`` and ``dashboard-390.png``. It takes a few minutes. ``--home`` keeps the laboratory, which another
run then goes on with.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as pytest has it

from e2e.laboratory import PASSWORD, Laboratory, Wanted, laboratory
from e2e.person import EXPERIMENT_MS, Person

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
LEARNED = 10
"""Experiments that a rule approves before the recording begins: what the models know then, they predict with."""
GROWN_S = 900.0
WINDOW = (1440, 900)
"""Of the film."""
DESK, PHONE = (1440, 1180), (390, 1180)
"""Of the sheets: taller than a screen, so that more is seen."""
GIF_WIDTH, COLOURS = 960, 112
GAP, PAPER = 24, (214, 220, 224)
MAX_GIF, MAX_SHEET = 2_500_000, 1_000_000


@dataclass
class Film:
    """What is seen, frame by frame.

    Attributes:
        frames: pictures.
        holds: how long each stands, ms.
    """

    frames: list[Image.Image] = field(default_factory=list)
    holds: list[int] = field(default_factory=list)

    def take(self, one: Person, hold_ms: int) -> None:
        """Take what the window shows."""
        picture = _picture(one.page.screenshot(animations="disabled"))
        height = round(picture.height * GIF_WIDTH / picture.width)
        self.frames.append(picture.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS))
        self.holds.append(hold_ms)

    def write(self, path: Path) -> None:
        """Put it together: one palette for all frames, so that what stays the same is not written again."""
        stack = Image.new("RGB", (GIF_WIDTH, sum(frame.height for frame in self.frames)))
        for i, frame in enumerate(self.frames):
            stack.paste(frame, (0, i * frame.height))
        palette = stack.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        flat[0].save(path, save_all=True, append_images=flat[1:], duration=self.holds, loop=0, optimize=True)


def main() -> None:
    """Record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs")
    parser.add_argument("--home", type=Path, default=None)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home: Path = (chosen.home or Path(directory)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "lab").exists():
            _grow(home)
        with laboratory(home, Wanted(experiments=32, strategy="hybrid")) as lab, _browser() as browser:
            film, sheets = Film(), _Sheets()
            eid = _journey(lab, browser, film)
            _pages(lab, browser, eid, sheets)
    chosen.out.mkdir(parents=True, exist_ok=True)
    film.write(chosen.out / "dashboard.gif")
    sheets.write(chosen.out)
    for path, most in (("dashboard.gif", MAX_GIF), ("dashboard-1440.png", MAX_SHEET), ("dashboard-390.png", MAX_SHEET)):
        size = (chosen.out / path).stat().st_size
        sys.stdout.write(f"{chosen.out / path}: {size / 1e6:.2f} MB{'' if size <= most else ', too large'}\n")


def _grow(home: Path) -> None:
    """Have a laboratory that has measured something: a rule approves, and time runs ten times faster."""
    with laboratory(home, Wanted(experiments=32, strategy="hybrid", approve="auto", speed=36_000.0)) as lab:
        patience = time.monotonic() + GROWN_S
        while sum(entry.get("kind") == "experiment.ended" for entry in lab.log()) < LEARNED:
            if lab.process.poll() is not None or time.monotonic() > patience:
                sys.exit("the laboratory did not come so far; see its log")
            time.sleep(0.2)


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def _person(lab: Laboratory, browser: Browser, size: tuple[int, int], *, dark: bool = False) -> Person:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light",
        reduced_motion="reduce", locale="en-GB", timezone_id="Europe/Berlin",
    )  # fmt: skip
    context.set_default_timeout(EXPERIMENT_MS)
    return Person("anna", context, context.new_page(), lab.dashboard, lab.home, str(size[0]))


def _journey(lab: Laboratory, browser: Browser, film: Film) -> str:
    """From the login to the approval, and on to the campaign's curve; returns the experiment."""
    anna = _person(lab, browser, WINDOW)
    anna.go("/login")
    film.take(anna, 1200)
    anna.page.get_by_label("Name").fill("anna")
    anna.page.get_by_label("Password of your key").fill(PASSWORD)
    film.take(anna, 900)
    anna.page.get_by_role("button", name="Log in").click()
    anna.arrive()
    pid = anna.waiting()[0]
    film.take(anna, 3000)
    anna.open_proposal(pid)
    film.take(anna, 3500)
    anna.page.mouse.wheel(0, 520)
    anna.page.wait_for_function("window.scrollY > 100")
    film.take(anna, 3000)
    anna.page.evaluate("window.scrollTo(0, 0)")
    anna.page.get_by_role("button", name="Approve", exact=True).click()
    dialog = anna.page.get_by_role("dialog")
    anna.see(dialog.get_by_label("Password of your key"))
    film.take(anna, 2200)
    dialog.locator("textarea").fill("good margin to the melting point")
    dialog.get_by_label("Password of your key").fill(PASSWORD)
    film.take(anna, 1500)
    dialog.get_by_role("button", name="Sign and approve").click()
    anna.see("It counted")
    film.take(anna, 2000)
    anna.close_dialog()
    link = anna.page.locator("main a[href*='/experiments/']").first
    anna.see(link)
    film.take(anna, 1500)
    link.click()
    anna.arrive()
    return _watch(anna, film)


def _watch(anna: Person, film: Film) -> str:
    """The experiment to its end, and what the campaign knows then; returns the experiment."""
    eid = anna.page.url.rsplit("/", 1)[1]
    anna.see(anna.page.locator(".at-readings"), within_ms=EXPERIMENT_MS)
    _several(anna, film, (0.5, 2.5, 5.0))
    anna.see(anna.page.get_by_text(re.compile("^(completed|cannot be made)$")).first, within_ms=EXPERIMENT_MS)
    film.take(anna, 2500)
    images = anna.page.locator(".at-images")
    anna.see(images.locator("img[alt^='What the network saw']"))
    images.get_by_role("button", name="Side by side").click()
    anna.see(images.locator("img[alt^='SEM image']"))
    images.evaluate("card => card.scrollIntoView({block: 'start'})")
    _settle(anna)
    film.take(anna, 4500)
    anna.go("/campaigns/ceramics")
    anna.arrive()
    _drawn(anna)
    film.take(anna, 3500)
    anna.page.evaluate("document.querySelector('.lw-charts').scrollIntoView({block: 'start'})")
    film.take(anna, 4500)
    anna.context.close()
    return eid


def _several(one: Person, film: Film, at_s: tuple[float, ...]) -> None:
    begun = time.monotonic()
    for after in at_s:
        one.page.wait_for_timeout(max(0.0, begun + after - time.monotonic()) * 1000)
        film.take(one, 900)


def _drawn(one: Person) -> None:
    one.see(one.page.locator("main canvas, main .nicegui-echart svg").first)
    _settle(one)


def _settle(one: Person) -> None:
    one.page.wait_for_timeout(500)  # a chart says nowhere that it is drawn


def _pages(lab: Laboratory, browser: Browser, eid: str, sheets: _Sheets) -> None:
    for size, dark in ((DESK, False), (PHONE, False), (DESK, True), (PHONE, True)):
        one = _person(lab, browser, size, dark=dark)
        one.go("/login")
        if not dark:
            sheets.add(size, one)
        one.log_in()
        one.arrive()
        pid = one.waiting()[0]
        pages = ["/proposals", f"/proposals/{pid}", "/campaigns/ceramics", "/experiments", f"/experiments/{eid}"]
        in_the_dark = ["/campaigns/ceramics", f"/proposals/{pid}"][: 2 if size == PHONE else 1]
        for path in in_the_dark if dark else [*pages, "/instruments", "/people"]:
            one.go(path)
            one.arrive()
            if "campaigns" in path:
                _drawn(one)
            if path.endswith(eid):
                one.see(one.page.locator(".at-images img"))
            sheets.add(size, one)
        one.context.close()


class _Sheets:
    """Pages beside each other: those of a desk, those of a phone."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, int], list[Image.Image]] = {DESK: [], PHONE: []}

    def add(self, size: tuple[int, int], one: Person) -> None:
        """Put the page that is open on its sheet."""
        self._of[size].append(_picture(one.page.screenshot(animations="disabled")))

    def write(self, out: Path) -> None:
        """Write both."""
        for size, name, columns, scale in ((DESK, "1440", 3, 0.5), (PHONE, "390", 5, 0.8)):
            small = [
                page.resize((round(page.width * scale), round(page.height * scale)), Image.Resampling.LANCZOS)
                for page in self._of[size]
            ]
            sheet = _side_by_side(small, columns)
            sheet.quantize(200, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
                out / f"dashboard-{name}.png", optimize=True
            )


def _side_by_side(pages: list[Image.Image], columns: int) -> Image.Image:
    width, height = pages[0].size
    rows = -(-len(pages) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), PAPER)
    for i, page in enumerate(pages):
        sheet.paste(page, (GAP + (i % columns) * (width + GAP), GAP + (i // columns) * (height + GAP)))
    return sheet


def _picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


if __name__ == "__main__":
    main()
