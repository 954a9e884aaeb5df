"""The command ``labwright simulate``: what to run, what to print."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agent.config import CampaignConfig, load_config
from agent.connection import broker_address, watching
from agent.progress import CampaignProgress, describe_process, faults_words
from agent.record import COMPARISON, UNIT
from agent.remote_broker import RemoteBroker
from agent.report import write_report
from agent.revelation import Revelation, tables
from agent.simulate import (
    CampaignResult,
    compare_with_random,
    ended_campaign,
    fresh_directory,
    prepare_directory,
    run_campaign,
    stored_config,
)
from agent.wiring import LAB, Broker, Problem, build_problem, check_broker
from envs.errors import ConfigError, JournalError, UserError
from instruments.address import FORM, without_secrets
from instruments.artefacts import write_durably

RESULT = "result.json"


@dataclass(frozen=True)
class Request:
    """The command line's options as given; ``broker`` is ``none``, ``embedded`` or a URL."""

    experiments: int | None
    batch: int | None
    seed: int | None
    strategy: str | None
    out: Path | None
    resume: Path | None
    config: Path | None
    broker: str
    compare: str | None
    as_json: bool
    lab: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    reveal: bool = False
    fault_rate: float | None = None


def simulate(request: Request) -> None:
    """Run or continue a campaign, compare it with random, write the report and print the summary."""
    started = time.monotonic()
    config, directory = _start_or_resume(request)
    problem = build_problem(config, source=str(request.config or ""))
    broker = _broker(request)
    _check_faults(config, broker)
    if isinstance(broker, RemoteBroker):
        asyncio.run(check_broker(broker))
    if request.resume is None:
        prepare_directory(directory)
    console = Console(stderr=request.as_json)
    strategy = config.campaign.strategy
    faulty = f" · fault rate {config.faults.rate:g}" if config.faults.rate else ""
    console.print(
        f"[bold]{config.campaign.name}[/] · strategy {strategy} · seed {config.campaign.seed}{faulty} "
        f"· record in {directory}"
    )
    if isinstance(broker, RemoteBroker):
        console.print(f"Watch it with: {watching(broker.address, broker.topics.everything)}", soft_wrap=True)
    with _resumable(directory, broker, console):
        result, random = _ended(problem, directory, request) or _made(problem, directory, broker, console)
        truth = _revealed(problem, directory, result, random) if request.reveal else None
        report = write_report(directory, problem, result, random, truth)
    wall_s = round(time.monotonic() - started, 1)
    line = _summary(result, random, config, report, wall_s)
    if truth is not None:
        line["truth"] = truth.to_dict()
    _keep_result(directory, line)
    console.print(_table(result, random))
    for shown in tables(truth) if truth is not None else ():
        console.print(shown)
    console.print(f"Report: {report}   Details: labwright show {directory}")
    if request.as_json:
        Console(soft_wrap=True, highlight=False).print(json.dumps(line), markup=False)


def _keep_result(directory: Path, line: dict[str, object]) -> None:
    try:
        write_durably(directory / RESULT, f"{json.dumps(line, indent=2)}\n".encode())
    except OSError as error:
        raise JournalError(
            f"{directory / RESULT} cannot be written ({error.strerror or error}): free space on that disk, "
            f"and continue with --resume {directory}"
        ) from error


def _start_or_resume(request: Request) -> tuple[CampaignConfig, Path]:
    """The configuration and directory of this run."""
    if request.resume is None:
        config = load_config(
            request.config,
            experiments=request.experiments,
            batch=request.batch,
            seed=request.seed,
            strategy=request.strategy,
            fault_rate=request.fault_rate,
            compare=request.compare,
        )
        return config, request.out or fresh_directory()
    fixed = {
        "--experiments": request.experiments,
        "--batch": request.batch,
        "--seed": request.seed,
        "--strategy": request.strategy,
        "--fault-rate": request.fault_rate,
        "--config": request.config,
        "--out": request.out,
    }
    given = [name for name, value in fixed.items() if value is not None]
    if given:
        raise UserError(f"--resume continues a campaign as it was started: leave out {', '.join(given)}")
    config = stored_config(request.resume)
    if request.compare not in {None, config.compare}:
        raise UserError(
            f"--resume continues a campaign as it was started, with --compare {config.compare}: leave out --compare"
        )
    return config, request.resume


def _check_faults(config: CampaignConfig, broker: Broker) -> None:
    """Faults are waited out in a time that costs none, and at a broker there is no such time.

    Raises:
        UserError: when there are to be faults at a broker.
    """
    if config.faults.rate > 0.0 and broker != "none":
        raise UserError(
            "--fault-rate goes without --broker: at a broker every fault would be waited out for minutes; to try an "
            "agent of your own against faults put the instruments there with labwright lab run --fault-rate"
        )


def _broker(request: Request) -> Broker:
    """Where the instruments shall be.

    Raises:
        ConfigError: when ``--broker`` is none of the words and no URL of a broker.
        UserError: when an option of a broker stands without one.
    """
    if "://" in request.broker:
        address = broker_address(request.broker, ca=request.ca, cert=request.cert, key=request.key)
        return RemoteBroker(address, request.lab or LAB)
    of_brokers = {"--lab": request.lab, "--ca": request.ca, "--cert": request.cert, "--key": request.key}
    given = [name for name, value in of_brokers.items() if value is not None]
    if given:
        raise UserError(f"{', '.join(given)}: only with --broker URL, such as mqtt://localhost:1883")
    if request.broker == "none":
        return "none"
    if request.broker == "embedded":
        return "embedded"
    raise ConfigError("--broker", without_secrets(request.broker), f"none, embedded, or a URL: {FORM}")


@contextmanager
def _resumable(directory: Path, broker: Broker, console: Console) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        there = f" --broker {broker.address.url} --lab {broker.lab}" if isinstance(broker, RemoteBroker) else ""
        again = f"labwright simulate --resume {directory}{there}"
        console.print(f"\nStopped; nothing is lost. Continue with: {again}", soft_wrap=True)
        raise


def _made(
    problem: Problem, directory: Path, broker: Broker, console: Console
) -> tuple[CampaignResult, CampaignResult | None]:
    strategy = problem.config.campaign.strategy
    result = _watched(problem, directory, strategy, broker, console)
    wanted = problem.config.compare == "random" and strategy != "random"
    return result, _compared(problem, directory, console) if wanted else None


def _ended(problem: Problem, directory: Path, request: Request) -> tuple[CampaignResult, CampaignResult | None] | None:
    """A campaign that has ended and is only looked at: nothing is made for it; None where there is something to do."""
    if request.resume is None or not request.reveal:
        return None
    result = ended_campaign(problem, directory)
    return None if result is None else (result, ended_campaign(problem, directory / COMPARISON))


def _revealed(problem: Problem, directory: Path, result: CampaignResult, random: CampaignResult | None) -> Revelation:
    from agent.reveal import reveal_campaign  # not before the end

    told = None if random is None else random.best_true
    return reveal_campaign(problem, directory, best_true=result.best_true, random_true=told)


def _watched(problem: Problem, directory: Path, strategy: str, broker: Broker, console: Console) -> CampaignResult:
    total = problem.config.campaign.experiments
    with CampaignProgress(console, total, label="Campaign") as progress:
        return run_campaign(problem, directory, strategy=strategy, broker=broker, observer=progress)


def _compared(problem: Problem, directory: Path, console: Console) -> CampaignResult:
    total = problem.config.campaign.experiments
    with CampaignProgress(console, total, label="Random, same budget", verbose=False) as progress:
        return compare_with_random(problem, directory, progress)


def _summary(
    result: CampaignResult, random: CampaignResult | None, config: CampaignConfig, report: Path, wall_s: float
) -> dict[str, object]:
    line: dict[str, object] = {
        **result.to_dict(),
        "unit": UNIT,
        "seed": config.campaign.seed,
        "strategy": config.campaign.strategy,
        "report": str(report),
        "wall_s": wall_s,
    }
    if random is not None:
        line["random_best"] = random.best
        line["random_true"] = random.best_true
    return line


def _table(result: CampaignResult, random: CampaignResult | None) -> Table:
    table = Table(title="Best design", title_justify="left", show_header=True)
    table.add_column("")
    table.add_column("this campaign", justify="right")
    columns = [result]
    if random is not None:
        table.add_column("random, same budget", justify="right")
        columns.append(random)
    rows = {
        "compound": [r.formula or "none" for r in columns],
        "process": [_process(r) for r in columns],
        "hardness, measured": [_measured(r) for r in columns],
        "experiments": [_outcomes(r) for r in columns],
        "simulated time": [f"{r.simulated_days:.1f} days" for r in columns],
    }
    if any(r.faults for r in columns):
        rows["faults"] = [faults_words(r.faults).replace(": ", "\n").replace(", ", "\n") for r in columns]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _process(result: CampaignResult) -> str:
    process = (result.design or {}).get("process")
    return describe_process(process) if isinstance(process, dict) else "-"


def _measured(result: CampaignResult) -> str:
    if result.best is None or result.best_std is None:
        return "nothing measured"
    return f"{result.best:.1f} ± {result.best_std:.1f} {UNIT}"


def _outcomes(result: CampaignResult) -> str:
    failed = result.experiments - result.outcomes.get("completed", 0)
    return f"{result.experiments} ({failed} failed)" if failed else str(result.experiments)
