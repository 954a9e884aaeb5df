"""What of a result people can correct: what instruments measured, not what the network read."""

from __future__ import annotations

from dashboard_samples import NOW, sample_experiment

from agent.dashboard.views.experiment_result import changes_of, editable
from instruments.messages import Quantity
from instruments.profile.experiment_messages import Correction

HARD = Quantity(value=23.4, unit="GPa", std=0.6)
FINE = Quantity(value=0.4, unit="um", std=0.02)


def test_what_an_instrument_measured_can_be_corrected_and_what_was_read_in_an_image_cannot() -> None:
    one = sample_experiment(1, found={"hardness": HARD, "grain_size": FINE})
    read = [image.model_copy(update={"accepted": True, "grain_size": FINE}) for image in one.images]
    assert read, "or this says nothing"
    assert [name for name, _ in editable(one.model_copy(update={"images": tuple(read)}))] == ["hardness"]


def test_a_grain_size_that_was_measured_otherwise_can_be_corrected() -> None:
    one = sample_experiment(1, found={"hardness": HARD, "grain_size": FINE}).model_copy(update={"images": ()})
    assert [name for name, _ in editable(one)] == ["hardness", "grain_size"]


def test_two_values_that_were_corrected_at_once_are_told_each_with_what_stands_there_now() -> None:
    before = {"hardness": Quantity(value=20.0, unit="GPa"), "load": Quantity(value=9.8, unit="N")}
    now = {"hardness": Quantity(value=22.0, unit="GPa"), "load": Quantity(value=4.9, unit="N")}
    said = Correction(kind="amended", by="anna", at=NOW, reason="read wrongly", before=before)
    (change,) = changes_of(sample_experiment(1, found=now, corrections=(said,)))
    assert [tuple(part.replace("\N{NO-BREAK SPACE}", " ") for part in row) for row in change.values] == [
        ("Hardness", "20 GPa", "22 GPa"), ("Load", "9.8 N", "4.9 N")
    ]  # fmt: skip
