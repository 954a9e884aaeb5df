"""``[virtual]`` in LAB.toml: the ids that it offers are those that there are, and the example orders what they take."""

import asyncio
import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from agent.daemon.config import load_lab
from agent.daemon.dry_run import dry_run
from agent.daemon.rules_of import facts_of, lab_rules
from agent.daemon.virtual import VirtualOrders
from agent.daemon.virtual_section import ALL_VIRTUAL, VIRTUAL_INSTRUMENTS, with_logins
from agent.identity import People
from agent.wiring import virtual_catalogue, virtual_instruments
from instruments.address import BrokerAddress
from instruments.messages import Quantity
from simulators.lab import INSTRUMENTS

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "virtual-lab.toml"


def test_the_names_are_those_of_the_instruments_that_there_are() -> None:
    assert set(ALL_VIRTUAL) == set(virtual_instruments())
    assert VIRTUAL_INSTRUMENTS == INSTRUMENTS


def test_logins_are_added_only_where_the_broker_is_its_own() -> None:
    raw = {"virtual": {"instruments": ["sem-1"]}, "broker": {"embedded": True, "instruments": ["psu"]}}
    assert with_logins(raw)["broker"]["instruments"] == ["psu", "sem-1"]
    assert with_logins({"virtual": {}, "broker": {"embedded": True}})["broker"]["instruments"] == [*VIRTUAL_INSTRUMENTS]
    for other in ({"broker": {"embedded": True}}, {"virtual": {}, "broker": {"url": "mqtt://h"}}, {"virtual": 3}):
        assert with_logins(other) == other


def test_the_example_orders_only_what_its_instruments_take() -> None:
    """Each step, ordered with values that the limits allow, passes the instrument's own checks."""
    config = load_lab(EXAMPLE)
    assert config.virtual is not None
    kinds = {entry.kind: entry for entry in virtual_catalogue() if entry.iid in config.virtual.instruments}
    (entry,) = config.campaign
    facts = facts_of(entry)
    rules = lab_rules(config, People([]), {entry.id: facts}, mode="virtual")
    assert set(rules.limits.instruments) == set(config.virtual.instruments)
    own = rules.campaigns[entry.id]
    assert {step.capability for step in own.recipe.steps} == set(kinds)
    process = {f.name: f.levels[len(f.levels) // 2] for f in own.factors}
    from envs.design import Design

    design = Design("mp-1143", process)
    for step in own.recipe.steps:
        order = own.recipe.order(
            step.name, sample="dense-E001", design=design, factors=own.factors,
            kept={"pixel_size": Quantity(value=0.05, unit="um")},
        )  # fmt: skip
        spec = kinds[step.capability].commands[step.command]
        assert spec.check(order.parameters) is None
        assert set(step.measures.values()) <= set(spec.results)


def test_the_dry_run_of_the_example_orders_a_first_round(tmp_path: Path) -> None:
    text = (
        EXAMPLE.read_text().replace('strategy = "hybrid"', 'strategy = "random"').replace("initial = 6", "initial = 2")
    )
    (tmp_path / "lab.toml").write_text(text)
    console = Console(file=(page := io.StringIO()), width=200)
    assert asyncio.run(dry_run(load_lab(tmp_path / "lab.toml"), console)), page.getvalue()
    assert page.getvalue().count("furnace-1") == 2


def test_the_childs_orders_survive_the_way() -> None:
    address = BrokerAddress.from_url("mqtt://a:b@127.0.0.1:1")
    orders = VirtualOrders({"sem-1": address}, 3, Path("/lab"), "lab", "root", 60.0, "", fault_rate=0.2, fault_seed=9)
    assert VirtualOrders.from_dict(orders.to_dict()) == replace(orders)
