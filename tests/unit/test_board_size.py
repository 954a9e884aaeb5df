"""How large a board may be, and what is left out where it would be larger."""

from __future__ import annotations

from typing import Any

import pytest
from dashboard_samples import sample_experiment, sample_space
from lab_bench import NOW

from agent.daemon.board_size import MOST_BYTES, TooLongError, fitting
from instruments.profile.experiment_messages import Correction, ExperimentState, ImageState, StepState


def lengthy(n: int, letter: str) -> tuple[StepState, ...]:
    found: dict[str, Any] = {f"r{i:02d}": letter * 200 for i in range(64)}
    return tuple(
        StepState(
            step="sinter", state="failed", attempt=i, job=f"j{i}", parameters=found, found=found, error=letter * 2000
        )
        for i in range(n)
    )


@pytest.mark.parametrize(("n", "letter"), [(12, "\x01"), (64, "x"), (64, "\x01")])
def test_what_instruments_answer_at_length_is_cut_from_the_oldest_order_on(n: int, letter: str) -> None:
    state = sample_experiment(1).model_copy(update={"steps": lengthy(n, letter)})
    assert len(state.to_bytes()) > 1_000_000
    said = fitting(state)
    assert len(said) <= MOST_BYTES
    told = ExperimentState.model_validate_json(said)
    assert [step.job for step in told.steps] == [f"j{i}" for i in range(n)]
    assert not told.steps[0].found
    assert told.model_copy(update={"steps": ()}) == state.model_copy(update={"steps": ()})


def test_what_is_long_in_every_way_is_cut_to_what_counts() -> None:
    state = sample_experiment(1)
    reason = "\x01" * 2000
    image = ImageState(attempt=0, image="a" * 64, reason=reason, scale_source="\x01" * 200)
    wrong = Correction(kind="amended", by="anna", at=NOW, reason=reason)
    long = state.model_copy(
        update={"steps": lengthy(64, "\x01"), "images": 64 * (image,), "corrections": 32 * (wrong,), "reason": reason}
    )
    told = ExperimentState.model_validate_json(fitting(long))
    assert (told.found, told.design, told.prediction) == (state.found, state.design, state.prediction)
    assert told.steps[-1].job == "j63"


def test_an_everyday_board_is_said_as_it_is() -> None:
    assert fitting(sample_experiment(1)) == sample_experiment(1).to_bytes()
    space = sample_space().model_copy(update={"crystals": {f"mp-{i}": "\x01" * 200 for i in range(1000)}})
    with pytest.raises(TooLongError, match="at most 1000 kB"):
        fitting(space)
