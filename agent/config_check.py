"""The command ``labwright config check``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from agent.config import load_config
from agent.wiring import build_problem


def check_config(file: Path) -> None:
    """Validate a campaign file whole: keys, limits, the space's rules, and what the virtual furnace can do."""
    problem = build_problem(load_config(file), source=str(file))
    space = problem.space
    names = ", ".join(f"{f.name} ({f.n_levels})" for f in space.factors)
    Console().print(
        f"{file} is a valid campaign: {len(space.library)} crystals, factors {names}; "
        f"{space.n_feasible:,.0f} of {space.n_total:,.0f} designs are feasible.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
