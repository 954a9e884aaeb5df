"""What Prometheus is told, of a recorded laboratory; and that it stays bounded, and as documented."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from recorded_lab import happened, people, stop

from agent import events as ev
from agent.core.evolving import evolve
from agent.core.state import LabState
from agent.daemon.metrics import CONTENT_TYPE, Metrics
from agent.events.base import EventModel

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(metrics: Metrics) -> Samples:
    """By name and labels, as Prometheus reads them."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"labwright_{name}", tuple(sorted(labels.items()))))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> list[ev.Event]:
    keys = people(tmp_path_factory.mktemp("people"))
    return [event for transaction in happened(keys) for event in transaction]


def noted(events: Sequence[ev.Event]) -> tuple[Metrics, LabState]:
    metrics, state = Metrics(version="1.2.3", mode="live", process=False), LabState()
    metrics.follow(lambda: state)
    for event in events:
        evolve(state, event, AT)
        metrics.note(event, state)
    return metrics, state


def test_a_recorded_laboratory_is_counted(record: list[ev.Event]) -> None:
    metrics, _ = noted([*record, *stop()])
    found = samples(metrics)

    assert value(found, "events_total", kind="step.dispatched") == 5
    assert value(found, "experiments_ended_total", campaign="hard", outcome="completed") == 2
    assert value(found, "proposals_decided_total", campaign="hard", verdict="approved") == 3
    assert value(found, "votes_total") == 1
    assert value(found, "envelopes_refused_total", what="decision", code="unknown_key") == 1
    assert value(found, "requests_total", action="pause") == 1
    assert value(found, "jobs_dispatched_total", instrument="furnace-1") == 3
    assert value(found, "jobs_ended_total", instrument="furnace-1", end="succeeded") == 2
    assert value(found, "jobs_ended_total", instrument="furnace-1", end="lost") == 1
    assert value(found, "jobs_ended_total", instrument="indenter-1", end="succeeded") == 2
    assert value(found, "images_read_total", accepted="true") == 2
    assert value(found, "build_info", version="1.2.3", mode="live") == 1


def test_how_things_stand_is_read_from_the_state(record: list[ev.Event]) -> None:
    metrics, state = noted(record)
    found = samples(metrics)

    assert value(found, "lab_stopped") == 0
    assert value(found, "experiments", campaign="hard", phase="needs_reconcile") == 1
    assert value(found, "experiments", campaign="hard", phase="queued") == 0
    assert value(found, "proposals_waiting", campaign="hard") == 1
    assert value(found, "proposals_waiting", campaign="tough") == 1
    assert value(found, "campaign_phase", campaign="tough", phase="paused") == 1
    assert value(found, "campaign_phase", campaign="tough", phase="running") is None
    assert value(found, "best_objective", campaign="hard") == 17.0
    assert value(found, "instrument_maintenance", instrument="sem-1") == 1

    evolve(state, stop()[0], AT)
    assert value(samples(metrics), "lab_stopped") == 1


def test_the_best_is_taken_back_with_its_result(record: list[ev.Event]) -> None:
    metrics, state = noted(record)
    for experiment, best in (("hard-E002", 16.0), ("hard-E001", math.nan)):
        event = ev.ResultRetracted(experiment=experiment, by="anna", reason="the wrong sample")
        evolve(state, event, AT)
        metrics.note(event, state)
        assert value(samples(metrics), "best_objective", campaign="hard") == pytest.approx(best, nan_ok=True)


def test_a_restart_knows_the_best_and_where_jobs_are(record: list[ev.Event]) -> None:
    before = [e for e in record if not isinstance(e, ev.ReconcileNeeded)]
    _, state = noted(before)
    metrics = Metrics(version="1.2.3", mode="live", process=False)
    metrics.follow(lambda: state)

    assert value(samples(metrics), "best_objective", campaign="hard") == 17.0
    lost = next(e for e in record if isinstance(e, ev.ReconcileNeeded))
    metrics.note(lost, state)
    assert value(samples(metrics), "jobs_ended_total", instrument="furnace-1", end="lost") == 1


def test_durations_are_taken() -> None:
    metrics = Metrics(version="1", mode="virtual", process=False)
    clock = iter([10.0, 10.03])

    with metrics.timing("journal_commit", lambda: next(clock)):
        pass
    metrics.took("decision_to_dispatch", 0.004)
    metrics.took("plan", -1.0)  # a clock that was set back

    found = samples(metrics)
    assert value(found, "journal_commit_seconds_sum") == pytest.approx(0.03)
    assert value(found, "decision_to_dispatch_seconds_bucket", le="0.005") == 1
    assert value(found, "decision_to_dispatch_seconds_bucket", le="0.0025") == 0
    assert value(found, "plan_seconds_sum") == 0


def test_the_agent_s_own_time_from_decision_to_order_is_taken(record: list[ev.Event]) -> None:
    now = [0.0]
    metrics, state = Metrics(version="1", mode="live", process=False, monotonic=lambda: now[0]), LabState()
    for event in record:
        evolve(state, event, AT)
        metrics.note(event, state)
        if isinstance(event, ev.ExperimentQueued):
            break
    now[0] = 0.02
    metrics.note(next(e for e in record if isinstance(e, ev.StepDispatched)), state)

    assert value(samples(metrics), "decision_to_dispatch_seconds_sum") == pytest.approx(0.02)


def test_waiting_for_a_furnace_is_not_the_agent_s_time(record: list[ev.Event]) -> None:
    metrics, _ = noted(record)  # three wait for one furnace

    assert value(samples(metrics), "decision_to_dispatch_seconds_count") == 0


def test_presence_clock_and_what_is_asked_for_only_now() -> None:
    metrics = Metrics(version="1", mode="virtual", process=False)
    metrics.on_look(lambda: metrics.outbox.set(7))
    metrics.present({"furnace-1": "online", "sem-1": "stale"})
    metrics.present({"furnace-1": "offline"})
    metrics.jumped(-3.5)

    found = samples(metrics)
    assert value(found, "outbox_entries") == 7
    assert value(found, "instrument_presence", instrument="furnace-1", presence="offline") == 1
    assert value(found, "instrument_presence", instrument="furnace-1", presence="online") == 0
    assert value(found, "instrument_presence", instrument="sem-1", presence="stale") is None
    assert value(found, "clock_jumps_total", direction="backwards") == 1
    assert value(found, "clock_jump_seconds") == -3.5


def test_whoever_sends_rubbish_fills_no_memory() -> None:
    metrics, state = Metrics(version="1", mode="live", process=False), LabState()
    for n in range(2000):
        event = ev.EnvelopeRefused(
            what="decision", user=f"u{n}", subject="p", code=f"code{n}", message="", envelope="", sha256=""
        )
        metrics.note(event, state)

    refused = {
        labels: v for (name, labels), v in samples(metrics).items() if name == "labwright_envelopes_refused_total"
    }
    assert len(refused) <= 65
    assert sum(refused.values()) == 2000


def test_every_kind_of_event_is_taken() -> None:
    metrics, state = Metrics(version="1", mode="live", process=False), LabState()
    plain = {
        "experiment": "E1", "proposal": "P1", "campaign": "c", "reason": "r", "by": "b", "round": 0, "job": "j",
        "instrument": "i", "step": "s", "code": "c", "outcome": "aborted", "verdict": "approved", "what": "decision",
        "user": "u", "action": "pause", "count": 3, "reasons": (), "accepted": False, "state": "failed",
    }  # fmt: skip
    models = [one for one in vars(ev).values() if isinstance(one, type) and issubclass(one, EventModel)]
    kinds = [model for model in models if "kind" in model.model_fields]
    for kind in kinds:
        event: Any = kind.model_construct(None, **{k: v for k, v in plain.items() if k in kind.model_fields})
        metrics.note(event, state)

    assert len(kinds) > 25
    assert {labels[0][1] for name, labels in samples(metrics) if name == "labwright_events_total"} == {
        kind.model_fields["kind"].default for kind in kinds
    }


def test_the_process_tells_its_memory_and_time() -> None:
    text = Metrics(version="1", mode="live").render().decode()

    assert "process_resident_memory_bytes" in text
    assert "process_cpu_seconds_total" in text
    assert "text/plain" in CONTENT_TYPE


def test_two_of_them_share_nothing() -> None:
    one, other = (Metrics(version="1", mode="live", process=False) for _ in range(2))
    one.outbox.set(3)

    assert value(samples(other), "outbox_entries") == 0


def table(metrics: Metrics) -> str:
    rows = [f"| `{n}` | {kind} | {', '.join(labels)} | {text} |" for n, kind, labels, text in metrics.table]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])


def test_the_documentation_names_every_metric() -> None:
    assert table(Metrics(version="1", mode="live")) in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_alerts_ask_for_metrics_that_there_are() -> None:
    alerts = (ROOT / "docs/deploy/labwright-alerts.yml").read_text(encoding="utf-8")
    known = {name for name, *_ in Metrics(version="1", mode="live").table}

    assert set(re.findall(r"labwright_\w+", alerts)) <= known
