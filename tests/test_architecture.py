"""The layers hold, packages import lightly, and the learner cannot reach the truth."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "envs", "surrogates", "instruments", "simulators")
HEAVY = ("torch", "numpy", "scipy", "sqlalchemy", "gymnasium", "botorch", "pymatgen", "skimage", "matplotlib")
BARE = (
    "instruments",
    "instruments.device",
    "instruments.client",
    "instruments.mqtt",
    "instruments.broker",
    "instruments.driving.serve",
    "instruments.asyncapi",
    "instruments.bulk.upload",
    "instruments.bulk.fetch",
    "instruments.bulk.server",
    "instruments.adapters.load",
    "agent.cli_instrument",
    "agent.instrument_run",
    "agent.cli_people",
    "agent.registry",
    "agent.deciding.session",
    "agent.deciding.words",
)
MAX_LINES = 400
WIRING = ("agent/wiring.py", "agent/wiring_reader.py", "agent/reveal.py")


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((REPOSITORY / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Modules that a file imports anywhere, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def in_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def contracts(directory: Path, config: str) -> tuple[bool, str]:
    """Whether import-linter finds all contracts kept; in a process of its own, for it sets up logging anew."""
    code = "import sys\nfrom importlinter.cli import lint_imports\nsys.exit(lint_imports(sys.argv[1], no_cache=True))"
    call = [sys.executable, "-c", code, config]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=directory)  # noqa: S603
    return done.returncode == 0, done.stdout + done.stderr


def test_the_import_contracts_hold() -> None:
    kept, words = contracts(REPOSITORY, "pyproject.toml")
    assert kept, words


def test_a_planner_that_reads_the_labels_breaks_a_contract(tmp_path: Path) -> None:
    """Our own contracts on a copy of the packages in which the planner's model imports the table."""
    for package in PACKAGES:
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "models")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    model = tmp_path / "surrogates" / "composite.py"
    model.write_text(model.read_text() + "\n\nfrom surrogates.datasets import elastic\n")
    kept, words = contracts(tmp_path, "pyproject.toml")
    assert not kept
    for name in ("Labels are handed out by the wiring alone BROKEN", "What decides reaches no label", "2 broken"):
        assert name in words


def test_the_contracts_would_notice_a_breach(tmp_path: Path) -> None:
    """The same rule as ours on two packages of which the lower imports the higher."""
    for package, text in {"upper_room": "", "lower_room": "import upper_room\n"}.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(text)
    (tmp_path / ".importlinter").write_text(
        "[importlinter]\nroot_packages =\n    upper_room\n    lower_room\n"
        "[importlinter:contract:1]\nname = layers\ntype = layers\nlayers =\n    upper_room\n    lower_room\n"
    )
    kept, words = contracts(tmp_path, ".importlinter")
    assert not kept
    assert "BROKEN" in words


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_only_the_wiring_knows_the_simulators(path: Path) -> None:
    module = path.relative_to(REPOSITORY).as_posix()
    if module.startswith(("agent/", "surrogates/")) and module not in WIRING:
        assert not {n for n in imported(path) if n.split(".")[0] == "simulators"}


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_only_the_wiring_reads_the_labels(path: Path) -> None:
    module = path.relative_to(REPOSITORY).as_posix()
    if module not in {"agent/wiring.py", "agent/reveal.py", "surrogates/datasets/build_elastic.py"}:
        names = {n for n in imported(path) if n.startswith("surrogates.datasets")}
        assert not names
        assert "elastic_2015" not in path.read_text() or module == "surrogates/datasets/elastic.py"


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_nothing_heavy(package: str) -> None:
    loaded = in_python(f"import sys, {package}\nprint([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded == "[]"


@pytest.mark.parametrize("module", BARE)
def test_instruments_work_where_only_the_bare_distribution_is(module: str) -> None:
    loaded = in_python(
        "import importlib, sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {HEAVY!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        f"print(importlib.import_module({module!r}).__name__)\n"
    )
    assert loaded == module


def test_the_planners_modules_load_without_simulators_and_labels() -> None:
    loaded = in_python(
        "import sys\nimport agent.planner, agent.desk, agent.runner, agent.core, agent.acquisition\n"
        "import surrogates.composite\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'simulators' or m.startswith('surrogates.datasets')])"
    )
    assert loaded == "[]"


@pytest.mark.parametrize(
    ("package", "file"),
    [
        ("agent", "py.typed"),
        ("agent", "templates/report.html.j2"),
        ("envs", "library/structures_2015.npz"),
        ("surrogates", "datasets/elastic_2015.csv"),
        ("surrogates", "models/crystal_embedding.safetensors"),
        ("surrogates", "models/micrograph.safetensors"),
    ],
)
def test_what_is_needed_at_run_time_is_installed(package: str, file: str) -> None:
    assert resources.files(package).joinpath(file).is_file()
