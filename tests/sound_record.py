"""What must hold in the record of any campaign, whatever went wrong in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from agent import events as ev


def violations(record: Sequence[ev.Event], n_samples: int) -> Iterator[str]:
    """What must not be in a record, in words; nothing when it is sound.

    Args:
        record: all events of a campaign that has ended.
        n_samples: bodies that lie on the shelf.
    """
    queued = [e.experiment for e in record if isinstance(e, ev.ExperimentQueued)]
    ends = Counter(e.experiment for e in record if isinstance(e, ev.ExperimentEnded))
    for experiment in queued:
        if ends[experiment] != 1:
            yield f"{experiment} has {ends[experiment]} final states"
    answers = Counter(e.job for e in record if isinstance(e, ev.StepEnded | ev.Reconciled))
    for dispatched in (e for e in record if isinstance(e, ev.StepDispatched)):
        if answers[dispatched.job] != 1:
            yield f"job {dispatched.job} of {dispatched.experiment} has {answers[dispatched.job]} ends"
    firings = Counter(e.experiment for e in record if isinstance(e, ev.StepDispatched) and e.step == "sinter")
    if n_samples > sum(firings.values()):
        yield f"{n_samples} samples of {sum(firings.values())} firings"
    for ended in (e for e in record if isinstance(e, ev.StepEnded)):
        hardness = ended.found.get("hardness")
        told = ended.values.get("hardness")
        if hardness and isinstance(told, dict) and not _is_same(hardness[0], told):
            yield f"{ended.experiment}: {hardness[0]} GPa is recorded of {told}"


def _is_same(recorded: float, told: dict[str, object]) -> bool:
    factors = {"GPa": 1.0, "MPa": 1e-3}
    factor = factors.get(str(told.get("unit")))
    return factor is not None and abs(recorded - factor * float(str(told["value"]))) <= 1e-9 * recorded
