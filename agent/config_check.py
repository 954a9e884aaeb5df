"""The command ``labwright config check``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from agent.config import parse_config, read_toml
from agent.daemon.config import is_lab_file, load_lab
from agent.wiring import build_problem


def check_config(file: Path) -> None:
    """Validate a campaign's or a laboratory's file whole; which it is shows by what is in it.

    Raises:
        UserError: something in it, or in a file that it names, is wrong.
    """
    raw = read_toml(file)
    words = _lab(file) if is_lab_file(raw) else _campaign(file, raw)
    Console().print(words, highlight=False, markup=False, soft_wrap=True)


def _campaign(file: Path, raw: dict[str, object]) -> str:
    """Keys, limits, the space's rules, and what the virtual furnace can do."""
    problem = build_problem(parse_config(raw, source=str(file)), source=str(file))
    space = problem.space
    names = ", ".join(f"{f.name} ({f.n_levels})" for f in space.factors)
    return (
        f"{file} is a valid campaign: {len(space.library)} crystals, factors {names}; "
        f"{space.n_feasible:,.0f} of {space.n_total:,.0f} designs are feasible."
    )


def _lab(file: Path) -> str:
    """The same of each campaign, with its policy and its budgets, and the limits of all."""
    from agent.daemon.rules_of import campaign_rules, facts_of, limits_of

    config = load_lab(file)
    parts = []
    for entry in config.campaign:
        facts = facts_of(entry, source=config.source)
        campaign_rules(entry, facts, config)
        parts.append(f"{entry.id} ({entry.experiments} experiments, {facts.n_feasible:,.0f} designs are feasible)")
    allowed = limits_of(config, "shadow").instruments
    return (
        f"{file} is a valid laboratory: {config.lab.name}, campaigns {', '.join(parts) or 'none yet'}; "
        f"orders may go to {', '.join(allowed) or 'no instrument yet: [limits] names none'}."
    )
