"""The report: one page that stands alone, tells what the journal holds, and is written whole or not at all."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import recorded_campaign
from PIL import Image
from typing_extensions import override

from agent.gallery import round_length
from agent.record import COMPARISON
from agent.report import write_report
from agent.simulate import CampaignResult
from agent.wiring import Problem, build_problem
from agent.words import chemical, length, plus_minus
from envs.errors import JournalError

RESULT = CampaignResult(
    experiments=5, best=26.0, best_std=0.3, best_true=25.7,
    design={"crystal": "mp-1346", "process": recorded_campaign.PROCESS}, formula="B6O", simulated_days=2.0,
    outcomes={"completed": 3, "infeasible": 2},
)  # fmt: skip
NOTHING = CampaignResult(5, None, None, None, None, "", 2.0, {"infeasible": 5})
VOID = {"meta", "img", "source", "br"}


class Page(HTMLParser):
    """Checks that tags are balanced; keeps the attributes of every tag and the text of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.text += data.replace("\N{NO-BREAK SPACE}", " ")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return build_problem(recorded_campaign.CONFIG)


@pytest.fixture(scope="module")
def report(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = recorded_campaign.write(tmp_path_factory.mktemp("tiny"))
    recorded_campaign.write(directory / COMPARISON, failed=("E002", "E003", "E005"))
    return write_report(directory, problem, RESULT, RESULT)


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_text(encoding="utf-8"))


def test_page_needs_nothing_from_outside_and_runs_nothing(report: Path, page: Page) -> None:
    text = report.read_text(encoding="utf-8")
    assert not page.all("script")
    assert not page.all("link")
    assert not re.search(r"(?:src|href|srcset)=\"(?!data:)", text)
    assert "url(" not in text
    assert "@import" not in text
    assert report.stat().st_size < 6e6


def test_every_picture_can_be_decoded_and_is_described(page: Page) -> None:
    pictures = page.all("img")
    # Five figures, and micrograph with overlay of three samples and one refused image.
    assert len(pictures) == 5 + 2 * (3 + 1)
    for attributes in pictures:
        assert len(attributes["alt"]) > 15
        kind, data = attributes["src"].removeprefix("data:").split(";base64,")
        content = base64.b64decode(data)
        if kind == "image/jpeg":
            with Image.open(io.BytesIO(content)) as picture:
                assert picture.size == (128, 96)
        else:
            assert content.lstrip().startswith(b"<?xml")
            assert b"<script" not in content
    assert len(page.all("source")) == 5


def test_summary_holds_both_campaigns_and_no_truth(page: Page) -> None:
    for expected in ("strategy hybrid", "labwright 0.1.0", "B₆O: 26.0 ± 0.3 GPa", "random, same budget",
                     "2.0 days", "synthesis failed", "budget: 5 experiments made"):  # fmt: skip
        assert expected in page.text
    for hidden in ("25.7", "true", "regret", "Hidden constants"):
        assert hidden not in page.text.replace("the learner", "")


def test_forecasts_are_judged_by_what_they_cover(page: Page) -> None:
    # One experiment that was forecast completed: 26.0 GPa, inside 15 to 30.
    assert "1 of 1 forecast ranges cover the measured value" in page.text


def test_words_from_instruments_are_text_not_markup(page: Page) -> None:
    assert recorded_campaign.HOSTILE in page.text


def test_refused_images_are_shown_with_their_reason(page: Page) -> None:
    assert "4 images were taken, 1 of them refused" in page.text
    assert "out of focus: refocus and image again" in page.text


def test_a_micrograph_is_told_with_its_class_and_what_was_measured_in_it(page: Page) -> None:
    for expected in (
        "two-phase (91%)", "mean intercept 2.81 ± 0.11 µm, ASTM grain size number 13.62 ± 0.11",
        "D10 1.42 ± 0.09", "D90 5.7 ± 0.3", "second phase 12.3 ± 1.1 %, elongation 1.43 ± 0.06",
    ):  # fmt: skip
        assert expected in page.text


def test_origin_of_the_data_and_of_the_laboratory_is_told(page: Page) -> None:
    for expected in ("The laboratory is simulated", "de Jong", "Sci. Data 2, 150009 (2015)", "295 crystals (25%)"):
        assert expected in page.text


def test_same_record_gives_the_same_page(report: Path, problem: Problem) -> None:
    before = report.read_bytes()
    assert write_report(report.parent, problem, RESULT, RESULT).read_bytes() == before


def test_campaign_without_comparison_or_any_hardness_still_gets_a_report(problem: Problem, tmp_path: Path) -> None:
    directory = recorded_campaign.write(tmp_path / "run", failed=tuple(recorded_campaign.CRYSTALS))
    page = Page(write_report(directory, problem, NOTHING, None).read_text(encoding="utf-8"))
    assert "No hardness was measured." in page.text
    assert "random, same budget" not in page.text


def test_damaged_image_stops_the_report_and_leaves_the_earlier_one(problem: Problem, tmp_path: Path) -> None:
    directory = recorded_campaign.write(tmp_path / "run", until=2)
    (directory / "report.html").write_text("earlier")
    next((directory / "artefacts").glob("*.tif")).write_bytes(b"other")
    with pytest.raises(JournalError, match="has changed on disk"):
        write_report(directory, problem, RESULT, None)
    assert (directory / "report.html").read_text() == "earlier"
    assert not list(directory.glob(".report*"))


@pytest.mark.parametrize(
    ("wanted", "given"), [(0.0234, 0.02), (1.0, 1.0), (4.99, 2.0), (5.0, 5.0), (9.9, 5.0), (130.0, 100.0)]
)
def test_scale_bars_have_round_lengths(wanted: float, given: float) -> None:
    assert round_length(wanted) == pytest.approx(given)


@pytest.mark.parametrize(
    ("value", "std", "words"),
    [
        (23.456, 0.31, "23.5 ± 0.3"),
        (23.456, 0.14, "23.46 ± 0.14"),
        (0.5742, 0.0728, "0.57 ± 0.07"),
        (1234.0, 52.0, "1234 ± 52"),
        (9.99, 0.0096, "9.990 ± 0.010"),
        (1.0, 0.0, "1.00 ± 0.00"),
    ],
)
def test_uncertainty_decides_the_digits(value: float, std: float, words: str) -> None:
    assert plus_minus((value, std)) == words


def test_lengths_take_a_fitting_unit() -> None:
    assert [length(um).replace("\N{NO-BREAK SPACE}", " ") for um in (0.0439, 15.36, 1024.0)] == [
        "43.9 nm", "15.4 µm", "1.02 mm",
    ]  # fmt: skip


def test_only_counts_in_formulas_become_subscripts() -> None:
    assert chemical("B6O, 2000 °C, 2 h, 0.2 µm, Y2O3") == "B₆O, 2000 °C, 2 h, 0.2 µm, Y₂O₃"
