"""Between the artefact store and the journal: what is accepted, what is imaged again, and at which magnification."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image
from sem_readings import reading

from agent import events as ev
from agent.descriptor_words import descriptor_lines, withheld_lines
from agent.descriptors import DESCRIPTORS
from agent.events.forms import parse_event
from agent.imaging import CampaignImageReader
from agent.store import ArtefactStore
from envs.errors import JournalError
from simulators.sem_tiff import write_tiff
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_reading import Estimate, MicrographReading
from surrogates.quality import magnification_problem

PIXEL_UM = 0.02


@dataclass
class Network:
    """Sees what it is told to see."""

    n_grains: int = 120
    diameter_px: float = 24.0
    reason: str = ""
    pixel_factor: float = 1.0
    seen: int = 0
    scale: float | None = None
    changes: Mapping[str, object] = field(default_factory=dict)

    def read(self, micrograph: Micrograph) -> MicrographReading:
        self.seen += 1
        self.scale = micrograph.pixel_size_um
        return reading(
            self.diameter_px * PIXEL_UM, n_grains=self.n_grains, accepted=not self.reason, reason=self.reason,
            advice="image again" if self.reason else "", pixel_factor=self.pixel_factor,
            **self.changes,
        )  # fmt: skip


def read(directory: Path, network: Network) -> ev.ImageRead:
    buffer = io.BytesIO()
    Image.fromarray(np.full((32, 32), 128, dtype=np.uint8)).save(buffer, "PNG")
    return read_file(directory, network, buffer.getvalue(), "image/png")


def read_file(
    directory: Path, network: Network, content: bytes, media_type: str, *, ordered: float = PIXEL_UM
) -> ev.ImageRead:
    store = ArtefactStore(directory)
    image = ev.ArtefactRecord(sha256=store.put(content, media_type), media_type=media_type, bytes=len(content))
    return CampaignImageReader(store, lambda: cast("MicrographReader", network)).read("E001", 2, image, ordered)


def test_an_accepted_image_gives_values_with_their_uncertainty(tmp_path: Path) -> None:
    event = read(tmp_path, Network())
    assert (event.experiment, event.attempt, event.accepted, event.next_pixel_size) == ("E001", 2, True, None)
    assert event.grain_size is not None
    assert list(event.grain_size) == pytest.approx([0.48, 0.024])
    assert event.porosity == (0.03, 0.01)


def test_everything_that_was_measured_is_kept_with_its_uncertainty(tmp_path: Path) -> None:
    event = read(tmp_path, Network())
    assert event.microstructure == "equiaxed dense"
    assert event.class_probabilities["equiaxed dense"] == 0.91
    assert set(event.descriptors) == set(DESCRIPTORS)
    assert [event.descriptors["d90"].value, event.descriptors["d90"].std] == pytest.approx([0.768, 0.0384])
    assert {name: one.unit for name, one in event.descriptors.items() if one.unit != "um"} == {
        "astm_g": "1", "elongation": "1", "phase_fraction": "1", "boundary_length": "1/um", "crack_length": "1/um",
    }  # fmt: skip
    assert parse_event(event.model_dump_json()) == event


def test_what_no_number_is_given_of_is_left_out_with_the_reason(tmp_path: Path) -> None:
    changes = {"pore_size": None, "astm_g": Estimate(float("nan"), 0.1, "1"), "withheld": {"pore_size": "no pore"}}
    event = read(tmp_path, Network(changes=changes))
    assert event.accepted
    assert set(DESCRIPTORS) - set(event.descriptors) == {"pore_size", "astm_g"}
    assert event.withheld == {"pore_size": "no pore"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"grain_size": None, "withheld": {"grain_size": "no boundary is seen"}},
            "no grain size (no boundary is seen)",
        ),
        ({"grain_size": None}, "no grain size (it cannot be told)"),
        ({"grain_size": Estimate(0.5, 0.0, "um")}, "no grain size"),
        ({"porosity": Estimate(float("nan"), 0.1, "1")}, "no porosity"),
    ],
)
def test_an_image_that_the_models_cannot_learn_from_is_taken_again_as_ordered(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    event = read(tmp_path, Network(changes=changes))
    assert not event.accepted
    assert event.reason.startswith(said)
    assert "etch" in event.reason
    assert event.next_pixel_size == PIXEL_UM


def test_records_from_before_the_descriptors_are_read_as_before(tmp_path: Path) -> None:
    event = read(tmp_path, Network())
    older = json.loads(event.model_dump_json())
    new = ("microstructure", "class_probabilities", "descriptors", "withheld", "further")
    for name in new:
        del older[name]
    told = parse_event(json.dumps(older))
    assert isinstance(told, ev.ImageRead)
    assert told == event.model_copy(update={name: "" if name == "microstructure" else {} for name in new})
    assert (descriptor_lines(told), withheld_lines(told)) == ([], [])


def test_what_the_network_saw_is_kept_as_a_picture(tmp_path: Path) -> None:
    event = read(tmp_path, Network())
    assert event.overlay is not None
    with Image.open(io.BytesIO(ArtefactStore(tmp_path).get(event.overlay.sha256))) as picture:
        assert (picture.mode, picture.size) == ("RGB", (32, 32))


@pytest.mark.parametrize("factor", [1.0, 0.3, 4.0])
def test_a_refused_image_says_at_which_pixel_size_to_go_on(tmp_path: Path, factor: float) -> None:
    event = read(tmp_path, Network(reason="not good", pixel_factor=factor))
    assert not event.accepted
    assert event.reason == "not good: image again"
    assert event.next_pixel_size == pytest.approx(factor * PIXEL_UM)


@pytest.mark.parametrize(
    ("n_grains", "diameter_px", "low", "high"),
    [
        (6, 180.0, 2.0, 8.0),  # too few grains: a wider field
        (6, 20.0, 2.0, 8.0),  # however small the few that were told apart
        (2000, 3.0, 0.05, 0.5),  # too small to resolve: closer
    ],
)
def test_the_wrong_magnification_is_mended_in_the_right_direction(
    n_grains: int, diameter_px: float, low: float, high: float
) -> None:
    problem = magnification_problem(n_grains, diameter_px)
    assert problem is not None
    assert low < problem.pixel_factor < high


def test_a_good_magnification_is_kept() -> None:
    assert magnification_problem(200, 25.0) is None


def test_an_image_without_a_scale_has_the_one_that_was_ordered(tmp_path: Path) -> None:
    network = Network()
    event = read(tmp_path, network)
    assert (network.scale, event.pixel_size, event.scale_source) == (PIXEL_UM, PIXEL_UM, "ordered")


def test_an_image_without_any_scale_is_refused_for_nobody_knows_how_large_its_grains_are(tmp_path: Path) -> None:
    buffer, network = io.BytesIO(), Network()
    Image.fromarray(np.full((32, 32), 128, dtype=np.uint8)).save(buffer, "PNG")
    event = read_file(tmp_path, network, buffer.getvalue(), "image/png", ordered=0.0)
    assert (event.accepted, event.next_pixel_size, network.seen) == (False, None, 0)
    assert "states no scale" in event.reason


def test_the_scale_that_a_file_states_counts(tmp_path: Path) -> None:
    buffer, network = io.BytesIO(), Network()
    write_tiff(np.full((32, 32), 128, dtype=np.uint8), 0.03, buffer, detector="ETD", label="field 0")
    event = read_file(tmp_path, network, buffer.getvalue(), "image/tiff")
    assert event.scale_source == "FEI metadata"
    assert [network.scale, event.pixel_size] == pytest.approx([0.03, 0.03])


@pytest.mark.parametrize(
    ("taken", "factor", "wanted"),
    [(0.024, 1.0, 0.024), (0.024, 0.5, 0.012), (0.024, 2.0, 0.048), (0.4, 2.0, PIXEL_UM), (0.002, 0.5, PIXEL_UM)],
)
def test_advice_counts_unless_the_picture_is_of_another_magnification_than_was_ordered(
    tmp_path: Path, taken: float, factor: float, wanted: float
) -> None:
    buffer = io.BytesIO()
    write_tiff(np.full((32, 32), 128, dtype=np.uint8), taken, buffer, detector="ETD", label="field 0")
    event = read_file(tmp_path, Network(reason="bad", pixel_factor=factor), buffer.getvalue(), "image/tiff")
    assert event.next_pixel_size == pytest.approx(wanted)
    assert ("were ordered" in event.reason) == (wanted == PIXEL_UM)


def test_an_image_that_breaks_off_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    whole = buffer.getvalue()
    broken = whole[:2000] + bytes(500) + whole[2500:]
    event = read_file(tmp_path, Network(), broken, "image/tiff")
    assert not event.accepted
    assert "image" in event.reason


@pytest.mark.parametrize(
    "content", [b"", b"II*\0 and no more", b"no image at all" * 9, b"\x89PNG\r\n\x1a\n" + b"\0" * 64]
)
def test_a_file_that_is_no_image_is_refused_and_the_campaign_goes_on(tmp_path: Path, content: bytes) -> None:
    network = Network()
    event = read_file(tmp_path, network, content, "image/tiff")
    assert (event.accepted, event.overlay, event.grain_size, network.seen) == (False, None, None, 0)
    assert "image" in event.reason
    assert event.next_pixel_size is None  # as before


def test_an_image_that_changed_on_the_disk_is_not_read(tmp_path: Path) -> None:
    store, network = ArtefactStore(tmp_path), Network()
    image = ev.ArtefactRecord(sha256=store.put(b"pixels", "image/png"), media_type="image/png", bytes=6)
    store.path(image.sha256).write_bytes(b"others")
    with pytest.raises(JournalError, match="changed on disk"):
        CampaignImageReader(store, lambda: cast("MicrographReader", network)).read("E001", 0, image, PIXEL_UM)
    assert network.seen == 0
