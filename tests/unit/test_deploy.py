"""What stands in docs/deploy, checked as far as it can be without installing it: unit, image, compose file, broker."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from patience import needs_mosquitto

from agent.daemon import probe
from agent.daemon.config import load_lab
from agent.daemon.credentials import DIRECTORY
from agent.daemon.systemd import Notifier
from instruments.broker import find_mosquitto, free_port
from instruments.brokers.access import Access, BrokerUser
from instruments.brokers.config import mosquitto_config
from instruments.topics import Lab

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs/deploy"
ENTRY = "/opt/labwright/bin/labwright"

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


# The unit -------------------------------------------------------------------------------------------------------------


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text("labwright.service").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def analyze(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    there = tmp_path / "labwright.service"
    there.write_text(text("labwright.service").replace(ENTRY, sys.executable))
    return subprocess.run(  # noqa: S603
        ["systemd-analyze", *arguments, str(there)],  # noqa: S607
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "SYSTEMD_PAGER": "cat"},
    )  # fmt: skip


@needs_analyze
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify")

    assert (done.returncode, done.stderr) == (0, "")


@needs_analyze
def test_the_service_may_do_little(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--threshold=15")

    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd does not judge units offline")
    assert done.returncode == 0, done.stdout


def test_systemd_and_the_agent_speak_of_the_same() -> None:
    found = unit()

    assert found["Type"] == ["notify"]
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert found["KillMode"] == ["mixed"]
    assert found["KillSignal"] == ["SIGTERM"]
    watchdog_s = int(found["WatchdogSec"][0])
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": f"{watchdog_s}000000"}
    assert Notifier.from_environment(environ).watchdog_s == watchdog_s
    assert found["RestartPreventExitStatus"] == ["2"], "the exit status of a UserError"


def test_no_start_is_the_last_one() -> None:
    found = unit()

    assert found["Restart"] == ["on-failure"]
    assert found["StartLimitIntervalSec"] == ["0"], "a database that is away for a minute must not end it for good"
    assert "StartLimitBurst" not in found
    assert int(found["RestartSec"][0]) >= 10


def test_the_unit_hands_over_the_credentials_that_the_agent_looks_for() -> None:
    names = re.findall(r"^#?LoadCredential=([\w-]+):", text("labwright.service"), re.MULTILINE)
    read = (ROOT / "agent" / name for name in ("daemon/config.py", "daemon/pages.py", "dashboard/notices/outlet.py"))
    code = "".join(path.read_text(encoding="utf-8") for path in read)

    assert set(names) == set(re.findall(r'(?:credential|_found)\("([\w-]+)"', code))


def test_programs_in_unit_and_image_are_installed_by_the_package() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]

    assert unit()["ExecStart"][0].split()[:2] == [ENTRY, "run"]
    assert "labwright" in scripts
    assert commands() >= {"run"}


def test_the_guide_names_commands_that_there_are() -> None:
    guide = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)labwright ([a-z]+(?: [a-z]+)?)", guide, re.MULTILINE))

    assert {name for name in named if name not in commands() and name.split()[0] not in commands()} == set()
    assert {name for name in named if name.startswith("audit")} <= {f"audit {name}" for name in commands("audit")}
    assert "doctor" in {name.split()[0] for name in named}


def commands(group: str = "") -> set[str]:
    from typer.main import get_command

    from agent.cli import app

    found = getattr(get_command(app), "commands", {})
    return set(found[group].commands if group else found)


# The image ------------------------------------------------------------------------------------------------------------

Instruction = tuple[str, str]


def dockerfile() -> list[Instruction]:
    whole = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text("Dockerfile"), flags=re.MULTILINE))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in whole.splitlines() if line.strip()]


def of(kind: str) -> list[str]:
    return [rest for name, rest in dockerfile() if name == kind]


def test_the_image_is_built_of_known_instructions_from_pinned_versions() -> None:
    known = {
        "FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip

    assert {name for name, _ in dockerfile()} <= known
    for base in of("FROM"):
        assert re.match(r"python:3\.11\.\d+-slim-\w+( AS \w+)?$", base), base
    for run in of("RUN"):
        assert "sudo" not in run
        assert "latest" not in run
        for package in re.findall(r"pip install (?:.*\s)?([a-z]\S+)$", run):
            assert "==" in package, package


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = [one for rest in of("COPY") if "--from" not in rest for one in rest.split()[:-1]]

    assert ignored[0] == "*", "what is not named stays out: records, keys, the history"
    assert {one.removeprefix("./") for one in copied} == {one[1:] for one in ignored if one.startswith("!")}
    assert all((ROOT / one).exists() for one in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert set(packages["targets"]["wheel"]["packages"]) <= set(copied)


def test_the_image_installs_extras_and_versions_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installs = " ".join(of("RUN"))
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", installs)

    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    for pinned in re.findall(r"\b[a-z]+==\S+", installs):
        assert pinned in project["optional-dependencies"]["lab"]
    assert f"labwright:{project['version']}" in text("Dockerfile")
    assert compose()["services"]["agent"]["image"] == f"labwright:{project['version']}"


def test_the_image_runs_as_nobody_in_particular_and_without_secrets() -> None:
    names = [name for name, _ in dockerfile()]
    last = len(names) - 1 - names[::-1].index("FROM")

    assert names.index("USER", last) < names.index("ENTRYPOINT", last)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", of("USER")[-1])
    for kind in ("ENV", "ARG"):
        for rest in of(kind):
            assert not re.search(r"(?i)password|token|secret_|key=", rest), rest
    assert not re.search(r"(?i)https?://", "".join(rest for _, rest in dockerfile()))


def test_the_image_starts_a_real_command_and_asks_a_real_probe() -> None:
    assert of("ENTRYPOINT") == ['["labwright"]']
    assert of("CMD") == ['["run", "/etc/labwright/lab.toml"]']
    (check,) = of("HEALTHCHECK")
    assert f'"-m", "{probe.__name__}"' in check
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert of("EXPOSE") == [re.findall(r":(\d+)/", probe.URL)[0]]


# Agent, broker, database ----------------------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    from ruamel.yaml import YAML

    whole: dict[str, Any] = YAML(typ="safe").load(text("compose.yaml"))
    return whole


def environment_of_ours() -> set[str]:
    """Variables that the code reads."""
    code = "".join(p.read_text(encoding="utf-8") for d in ("agent", "instruments") for p in (ROOT / d).rglob("*.py"))
    return set(re.findall(r"\bLABWRIGHT_[A-Z_]+\b", code)) | {DIRECTORY}


def test_services_start_in_order_come_back_and_say_how_they_are() -> None:
    services = compose()["services"]

    assert set(services) == {"broker", "database", "agent"}
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        tag = service["image"].partition(":")[2]
        assert re.match(r"\d+\.\d+", tag), f"{name}: a version, not {tag!r}"
        assert "healthcheck" in service or name == "agent"
    assert all(need["condition"] == "service_healthy" for need in services["agent"]["depends_on"].values())
    assert services["agent"]["network_mode"] == "service:broker"
    assert "ports" not in services["agent"], "they belong to the service whose network it is in"


def test_everything_that_services_refer_to_is_defined() -> None:
    whole = compose()
    volumes = set()
    for service in whole["services"].values():
        assert set(service.get("secrets", ())) <= set(whole["secrets"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if not source.startswith("."):
                volumes.add(source)
    assert volumes == set(whole["volumes"])
    used = {secret for service in whole["services"].values() for secret in service.get("secrets", ())}
    assert used == set(whole["secrets"])
    assert all(set(how) == {"file"} for how in whole["secrets"].values())
    build = whole["services"]["agent"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_no_secret_stands_in_an_environment_and_each_variable_is_read() -> None:
    for service in compose()["services"].values():
        for name in service.get("environment", {}):
            assert not re.search(r"PASSWORD$|TOKEN|SECRET", name)
            if name.startswith("LABWRIGHT"):
                assert name in environment_of_ours()
    image = {one.partition("=")[0] for rest in of("ENV") for one in rest.split()}
    of_others = {"PATH", "HOME", "PYTHONUNBUFFERED", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_CACHE_DIR"}
    assert image - of_others <= environment_of_ours()


def test_the_agent_in_a_container_cannot_do_more_than_it_needs() -> None:
    agent = compose()["services"]["agent"]

    assert agent["read_only"] is True
    assert agent["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in agent["security_opt"]
    assert not agent.get("privileged")


def test_the_laboratory_s_file_of_the_container_is_valid_and_finds_its_secrets(tmp_path: Path) -> None:
    config = load_lab(DEPLOY / "lab.toml")
    secrets = set(compose()["services"]["agent"]["secrets"])
    for name in ("broker-password", "dashboard-password", "database-password"):
        assert name in secrets
        (tmp_path / name).write_text(f"of the {name}\n")
    environ = {DIRECTORY: str(tmp_path)}

    assert config.address(environ).password == "of the broker-password"  # noqa: S105
    pages = config.dashboard_address(environ)
    assert (pages.username, pages.password) == ("dashboard", "of the dashboard-password")
    assert config.journal(environ) == "postgresql://labwright:of%20the%20database-password@database/labwright"
    assert config.lab.live is False, "orders to instruments are asked for twice, and never by an example"
    mounts = compose()["services"]["agent"]["volumes"]
    assert any(str(config.state).startswith(m.split(":")[1]) for m in mounts if m.startswith("state:"))
    for path in (config.http.certificate, config.http.key):
        assert path.removeprefix("/run/secrets/") in secrets
    assert compose()["services"]["agent"]["environment"][probe.VARIABLE].endswith(f":{config.http.port}/healthz")


def test_prometheus_asks_where_the_agent_answers() -> None:
    from ruamel.yaml import YAML

    (job,) = YAML(typ="safe").load(text("prometheus.yml"))["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    config = load_lab(DEPLOY / "lab.toml")

    assert f"{job['scheme']}://{target}" == config.http.public_url
    assert job["metrics_path"] == "/metrics"
    rules = YAML(typ="safe").load(text("labwright-alerts.yml"))["groups"][0]["rules"]
    assert all(set(rule) >= {"alert", "expr", "annotations"} for rule in rules)


# Mosquitto ------------------------------------------------------------------------------------------------------------


def settings(config: str) -> set[str]:
    return {line for line in config.splitlines() if line and not line.startswith("#")}


def test_the_broker_s_settings_are_those_of_the_embedded_one() -> None:
    ours = settings(mosquitto_config(1883, Path("/mosquitto/access"))) - {"user root"}
    ours -= {"persistence_location /mosquitto/access/"}

    assert ours <= settings(text("mosquitto.conf"))
    more = {line.split()[0] for line in settings(text("mosquitto.conf")) - ours}
    assert more == {"persistence_location", "listener", "certfile", "keyfile", "tls_version"}


@contextmanager
def running(tmp_path: Path) -> Iterator[tuple[int, int, Access, Path]]:
    """Mosquitto on the file as it stands, but for where things are."""
    access = Access(
        (BrokerUser.new("agent", "agent"), BrokerUser.new("furnace-1", "instrument")), Lab("labwright", "lab")
    )
    (tmp_path / "passwords").write_text(access.mosquitto_passwords())
    (tmp_path / "acl").write_text(access.mosquitto_acl())
    (tmp_path / "passwords").chmod(0o600)
    (tmp_path / "acl").chmod(0o600)
    certificate, key = self_signed(tmp_path)
    plain, tls = free_port(), free_port()
    config = text("mosquitto.conf")
    for there, here in {
        "/mosquitto/access": str(tmp_path), "/mosquitto/data/": f"{tmp_path}/", "listener 1883": f"listener {plain}",
        "listener 8883 0.0.0.0": f"listener {tls} 127.0.0.1", "/run/secrets/certificate-key": str(key),
        "/run/secrets/certificate": str(certificate),
    }.items():  # fmt: skip
        assert there in config
        config = config.replace(there, here)
    (tmp_path / "mosquitto.conf").write_text(config + ("\nuser root\n" if os.geteuid() == 0 else ""))
    broker = subprocess.Popen(  # noqa: S603
        [str(find_mosquitto()), "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.PIPE, text=True
    )
    try:
        yield plain, tls, access, certificate
    finally:
        broker.terminate()
        _, said = broker.communicate(timeout=10)
        assert "Error: " not in said, said
        assert "deprecated" not in said.lower(), said


@needs_mosquitto
def test_mosquitto_runs_on_the_file_and_its_users_connect_with_and_without_tls(tmp_path: Path) -> None:
    with running(tmp_path) as (plain, tls, access, certificate):
        for port, context in ((plain, None), (tls, ssl.create_default_context(cafile=str(certificate)))):
            agent = access.user("agent")
            assert connect(port, agent.name, agent.password, context) == 0
            assert connect(port, agent.name, "a guess", context) == 0x87  # MQTT 5: not authorised
            assert connect(port, "", "", context) == 0x87


def connect(port: int, user: str, password: str, context: ssl.SSLContext | None) -> int:
    """The reason code of MQTT 5's CONNACK."""
    line: socket.socket = patiently(port)
    with closing(context.wrap_socket(line, server_hostname="127.0.0.1") if context else line) as spoken:
        flags = (0x80 | 0x40 if user else 0) | 0x02
        words = ["", user, password] if user else [""]
        payload = b"".join(len(w).to_bytes(2, "big") + w.encode() for w in words)
        body = b"\x00\x04MQTT\x05" + bytes([flags]) + b"\x00\x3c\x00" + payload
        spoken.sendall(bytes([0x10, len(body)]) + body)
        answer = spoken.recv(64)
        assert answer[0] == 0x20
        return answer[3]


def patiently(port: int) -> socket.socket:
    for _ in range(500):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise AssertionError("the broker does not come up")
