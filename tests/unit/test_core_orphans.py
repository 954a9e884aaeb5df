"""Campaigns in the record that the laboratory's file has no more: a person says what becomes of their orders."""

from __future__ import annotations

from dataclasses import replace

from lab_bench import Bench

from agent import core


def without_rules(bench: Bench) -> None:
    """The file was changed between two starts."""
    bench.rules = replace(bench.rules, campaigns={})


def test_its_open_order_waits_for_a_person_who_can_give_it_up() -> None:
    bench = Bench()
    (eid,) = bench.approved({})
    order = bench.dispatch(eid)
    without_rules(bench)
    assert [e.kind for e in bench.tell(core.Lost(eid, order.job, "its campaign is gone"))] == ["reconcile.needed"]
    assert bench.due == []
    happened = bench.ask("ole", "reconcile", eid, verdict="aborted", comment="thrown away")
    assert [e.kind for e in happened] == ["request.accepted", "reconciled", "experiment.ended"]
    assert (bench.state.jobs, bench.state.busy) == ({}, {})


def test_nothing_else_of_it_moves() -> None:
    bench = Bench()
    (eid,) = bench.approved({})
    order = bench.dispatch(eid)
    without_rules(bench)
    assert bench.answer(order) == []
    assert bench.state.jobs == {order.job: eid}
