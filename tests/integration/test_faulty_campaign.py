"""Whole campaigns with faults: one final state for every experiment, nothing twice, the same again after a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sound_record import violations

from agent import core
from agent import events as ev
from agent.config import CampaignConfig, load_config
from agent.imaging import CampaignImageReader
from agent.journal import Journal
from agent.offline import Request, simulate
from agent.simulate import CampaignResult, run_campaign
from agent.wiring import Problem, build_problem
from envs.errors import ConfigError, UserError
from simulators.faults import FILE, Fault, FaultLedger
from simulators.lab import VirtualLab

N = 3


def _read(
    _reader: CampaignImageReader, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float
) -> ev.ImageRead:
    """What a network might say: how well images are read is no matter of these tests."""
    return ev.ImageRead(
        experiment=experiment, attempt=attempt, image=image, accepted=True, reason="", pixel_size=pixel_size,
        next_pixel_size=None, grain_size=(1.0, 0.1), porosity=(0.05, 0.01), n_grains=50, overlay=None,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CampaignImageReader, "read", _read)
        patched.setitem(VirtualLab.__init__.__kwdefaults__ or {}, "image_shape", (64, 64))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CampaignResult]:
    """A campaign of whose orders every other one meets a fault."""
    directory = tmp_path_factory.mktemp("whole")
    return directory, run(directory, 0.5)


class Killed(BaseException):
    """The process is gone."""


class Watch:
    """Watches, and kills after so many events."""

    def __init__(self, left: int | None = None) -> None:
        self.left = left

    def __call__(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        if self.left is None or replayed:
            return
        self.left -= 1
        if self.left == 0:
            raise Killed


def config(rate: float, experiments: int = N, seed: int = 3) -> CampaignConfig:
    return load_config(
        None, experiments=experiments, initial=experiments, strategy="random", seed=seed, fault_rate=rate
    )


@cache
def problem(rate: float, experiments: int = N, kinds: tuple[str, ...] = ()) -> Problem:
    wanted = config(rate, experiments)
    return build_problem(wanted.model_copy(update={"faults": wanted.faults.model_copy(update={"kinds": list(kinds)})}))


def run(directory: Path, rate: float, *, killed_after: int | None = None) -> CampaignResult:
    directory.mkdir(exist_ok=True)
    observer = Watch(killed_after)
    return run_campaign(problem(rate), directory, strategy="random", broker="none", observer=observer)


def record(directory: Path) -> list[ev.Event]:
    with Journal(directory, write=False) as journal:
        return [stored.event for stored in journal.read()]


def ends(directory: Path) -> list[tuple[str, str, ev.Reading | None]]:
    return [(e.experiment, e.outcome, e.hardness) for e in record(directory) if isinstance(e, ev.ExperimentEnded)]


def injected(directory: Path) -> Counter[tuple[str, str, str, str]]:
    def told(fault: Fault) -> tuple[str, str, str, str]:
        return str(fault.kind), fault.iid, fault.sample, fault.detail

    return Counter(told(fault) for fault in FaultLedger(directory / FILE).faults)


def drawn(directory: Path) -> dict[tuple[str, int], str | None]:
    return {(judged.what, judged.number): judged.kind for judged in FaultLedger(directory / FILE).judged.values()}


def sound(directory: Path) -> list[str]:
    return list(violations(record(directory), len(list((directory / "laboratory" / "samples").glob("*.json")))))


def test_every_experiment_comes_to_one_final_state(whole: tuple[Path, CampaignResult]) -> None:
    directory, result = whole
    assert result.experiments == sum(result.outcomes.values()) == N
    assert sound(directory) == []
    assert result.faults == {"rate": 0.5, "injected": FaultLedger(directory / FILE).injected}
    assert len(FaultLedger(directory / FILE)) >= 3


def test_the_same_seed_and_rate_give_the_same_campaign(whole: tuple[Path, CampaignResult], tmp_path: Path) -> None:
    assert run(tmp_path, 0.5).to_dict() == whole[1].to_dict()
    assert ends(tmp_path) == ends(whole[0])
    assert injected(tmp_path) == injected(whole[0])


def test_also_where_no_order_goes_well(tmp_path: Path) -> None:
    result = run(tmp_path, 1.0)
    assert sum(result.outcomes.values()) == N
    assert sound(tmp_path) == []


def test_a_result_without_its_unit_costs_no_sample(tmp_path: Path) -> None:
    """Every order's result is wrong once: the furnace is asked again, and nobody is told that a sample is lost."""
    result = run_campaign(
        problem(1.0, kinds=("wrong_unit",)), tmp_path, strategy="random", broker="none", observer=Watch()
    )
    furnace = [f.detail for f in FaultLedger(tmp_path / FILE).faults if f.iid == "furnace-1"]
    assert any("without its unit" in detail for detail in furnace), furnace
    assert "aborted" not in result.outcomes
    assert sound(tmp_path) == []


def test_without_faults_nothing_of_them_is_in_the_record(tmp_path: Path) -> None:
    tiny = problem(0.0, experiments=1)
    result = run_campaign(tiny, tmp_path, strategy="random", broker="none", observer=Watch())
    assert result.faults is None
    created = record(tmp_path)[0]
    assert isinstance(created, ev.CampaignCreated)
    assert "faults" not in created.config
    assert not (tmp_path / FILE).exists()


def test_killed_again_and_again_it_meets_the_same_faults(whole: tuple[Path, CampaignResult], tmp_path: Path) -> None:
    for _ in range(40):
        try:
            result = run(tmp_path, 0.5, killed_after=20)
        except Killed:
            continue
        break
    assert sound(tmp_path) == []
    assert result.faults == {"rate": 0.5, "injected": FaultLedger(tmp_path / FILE).injected}
    assert [e[0] for e in ends(tmp_path)] == [e[0] for e in ends(whole[0])]
    met, undisturbed = drawn(tmp_path), drawn(whole[0])
    common = met.keys() & undisturbed.keys()
    assert len(common) > len(undisturbed) // 2
    assert {what: met[what] for what in common} == {what: undisturbed[what] for what in common}


def test_faults_go_without_a_broker(tmp_path: Path) -> None:
    wanted = Request(
        experiments=2, batch=None, seed=None, strategy="random", out=tmp_path / "c", resume=None, config=None,
        broker="embedded", compare="none", as_json=False, fault_rate=0.2,
    )  # fmt: skip
    with pytest.raises(UserError, match="labwright lab run --fault-rate"):
        simulate(wanted)


def test_the_campaigns_file_may_name_kinds(tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text('[faults]\nrate = 0.3\nkinds = ["blur", "drift"]\nseed = 7\n')
    faults = load_config(path).faults
    assert (faults.rate, faults.kinds, faults.seed) == (0.3, ["blur", "drift"], 7)
    assert load_config(path, fault_rate=0.5).faults.rate == 0.5
    path.write_text('[faults]\nrate = 0.3\nkinds = ["fire"]\n')
    with pytest.raises(ConfigError, match="fire"):
        build_problem(load_config(path))
    path.write_text("[faults]\nrate = 1.5\n")
    with pytest.raises(ConfigError, match=r"faults\.rate"):
        load_config(path)
