"""The moments at which tests end a process: exactly where and when they name, and nowhere else."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent import crash_points


def run_python(code: str, crash_at: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], env={**os.environ, crash_points.VARIABLE: crash_at}, capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_process_dies_at_the_moment_that_was_named_the_nth_time() -> None:
    code = (
        "from agent.crash_points import reached\n"
        "for n in range(5):\n"
        "    print(n, flush=True)\n"
        "    reached('before-commit')\n"
        "    reached('after-commit')\n"
    )

    done = run_python(code, "after-commit:3")

    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["0", "1", "2"]


def test_nothing_happens_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_points, "_trap", None)
    for name in crash_points.CRASH_POINTS:
        crash_points.reached(name)


@pytest.mark.parametrize("text", ["after-comit:1", "after-commit:0", "after-commit:x", "after-commit:", ""])
def test_a_mistyped_moment_is_no_silent_success(text: str) -> None:
    with pytest.raises(ValueError, match=crash_points.VARIABLE):
        crash_points.Trap(text)


def test_every_moment_in_the_code_is_on_the_list() -> None:
    used = set()
    for path in Path(crash_points.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            if ast.unparse(node.func).rpartition(".")[2] == "reached":
                used.add(node.args[0].value)

    assert used <= set(crash_points.CRASH_POINTS)
    assert len(set(crash_points.CRASH_POINTS)) == len(crash_points.CRASH_POINTS)
