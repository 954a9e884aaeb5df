"""The tables of an evaluation hold what the reader was shown, and end in one line of JSON where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typing_extensions import override

from agent.evaluate_reasons import said
from agent.evaluate_sem import evaluate_sem, tone_of, virtual_figures, write_json
from agent.evaluate_tables import show
from agent.evaluate_watch import Watch
from agent.wiring_reader import micrograph_examination
from envs.errors import UserError
from simulators.reader_data import labelled_field
from simulators.reader_examination import Examination, Named, fault_pictures
from simulators.sections.microstructure import Kind
from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_reader import MicrographReader

SHAPE = (128, 128)


class Short(Examination):
    """A few small pictures of each sort."""

    @override
    def fields(self, number: int, *, unusual: bool) -> Iterator[LabelledField]:
        for index in range(number):
            yield labelled_field(np.random.default_rng([int(unusual), index]), SHAPE)

    @override
    def classes(self, number: int) -> Named:
        yield "porous open", labelled_field(np.random.default_rng(1), SHAPE, kind=Kind.POROUS_OPEN).image

    @override
    def faults(self, number: int) -> Named:
        yield "flat", np.full(SHAPE, 0.4, dtype=np.float32)

    @override
    def odd(self, number: int) -> Named:
        yield "noise", np.random.default_rng(2).random(SHAPE, dtype=np.float32)


def test_every_table_is_filled(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch() as watch:
        figures = virtual_figures(MicrographReader.load(), Short(dict(micrograph_examination().seeds)), 1, watch)
    assert json.loads(json.dumps(figures)) == figures
    flat = figures["faults"]["flat"]  # type: ignore[index]
    assert (flat["pictures"], flat["refused"]) == (1, 1)
    show(figures, Console(width=200))
    shown = capsys.readouterr()
    for words in (
        "boundary F1 (2 px)",
        "classical",
        "porous open",
        "flat",
        "noise",
        "false alarms",
        "unseen appearance",
    ):
        assert words in shown.out
    assert "Fields, unseen seeds" in shown.err


def test_reasons_are_counted_without_their_figures() -> None:
    assert said("only 12 grains in the field (at least 50)") == "only n grains in the field"
    assert said("out of focus: sharpness 0.012, at least 0.020 is needed") == "out of focus"


def test_a_person_tells_the_classical_way_of_a_phase() -> None:
    two = labelled_field(np.random.default_rng(4), SHAPE, kind=Kind.TWO_PHASE)
    assert tone_of(two) is not None
    assert tone_of(labelled_field(np.random.default_rng(4), SHAPE, kind=Kind.ELONGATED)) is None


def test_faults_come_with_their_names_and_the_same_each_time() -> None:
    first, again = dict(fault_pictures(1, SHAPE)), dict(islice(fault_pictures(1, SHAPE), 2))
    assert {"out of focus by 10 px", "wrong magnification", "info bar only"} <= set(first)
    assert all(picture.shape == SHAPE for picture in first.values())
    assert all(np.array_equal(picture, first[name]) for name, picture in again.items())


def test_what_cannot_be_done_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="take at least 1"):
        evaluate_sem(fields=0)
    with pytest.raises(UserError, match="no such folder"):
        evaluate_sem(fields=1, data=tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--out"):
        write_json(tmp_path / "file" / "figures.json", {})
