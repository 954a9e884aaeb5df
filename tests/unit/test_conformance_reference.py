"""The reference body is on every shelf, and no sample of any campaign."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from instruments.device import Quantity
from simulators.body import Body
from simulators.devices.furnace import PROCESS
from simulators.reference import REFERENCE, REFERENCE_DESIGN, reference_body, reference_order
from simulators.samples import Sample, SampleStore
from simulators.sintering import Outcome


def test_it_is_there_to_be_measured_but_is_no_sample(tmp_path: Path) -> None:
    shelf = SampleStore(tmp_path, reference=reference_body())
    found = shelf.get(REFERENCE)
    assert found is not None
    assert found.outcome is Outcome.SINTERED
    assert len(shelf) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_sample_that_was_made_under_its_name_before_stays(tmp_path: Path) -> None:
    old = Sample(REFERENCE, REFERENCE_DESIGN, Body(density=0.8, grain_size=5.0), Outcome.SINTERED)
    SampleStore(tmp_path).put(old)
    assert SampleStore(tmp_path, reference=reference_body()).get(REFERENCE) == old


def test_its_order_is_the_furnaces_own_example_in_the_furnaces_units() -> None:
    order = reference_order()
    assert order.keys() == {"sample", "crystal", *PROCESS}
    for name, value in REFERENCE_DESIGN.process.items():
        ordered = order[name]
        assert (ordered.value if isinstance(ordered, Quantity) else ordered) == value
        assert PROCESS[name].check(name, ordered) is None


@pytest.mark.parametrize("label", ["", "a.", ".a", "a b", "../a", "a\n", "x" * 65])
def test_a_label_that_is_unfit_for_a_file_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="is no sample label"):
        SampleStore().put(replace(reference_body(), id=label))
