"""The laboratory's file, LAB.toml: who and what there is, what may be done, and which campaigns run.

``load_lab`` reads it whole: campaigns that stand in files of their own are in the answer, paths are below the file's
directory, and everything that is wrong is said at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from agent.config import (
    CampaignConfig,
    CampaignSection,
    Section,
    explain,
    load_config,
    read_toml,
    together,
)
from agent.daemon.config_checks import contradictions, of_tables
from agent.daemon.credentials import credential, database_url
from agent.daemon.virtual_section import VIRTUAL_INSTRUMENTS, VirtualSection, with_logins
from agent.daemon.web_sections import DashboardSection, HttpSection, Port
from agent.dashboard.notices.settings import NotifySection
from agent.rules.recipe_config import RecipeTable
from envs.errors import ConfigError, UserError
from envs.objective import FLAGSHIP
from instruments.address import BrokerAddress
from instruments.errors import TopicError
from instruments.topics import Lab

FIRING_HOURS = "0.75 + hold + (temperature - 25) / (60 * heating_rate) + (temperature - 25) / 900"
"""What a firing in the virtual furnace takes, h: preparation, ramp, hold, and cooling at 15 K/min."""
SHADOW = "shadow"
"""Below the state directory: the record of what was only tried."""
VIRTUAL_SPEED = 3600.0
"""An hour in a second: three weeks take eight and a half minutes."""


def _level(text: str) -> str:
    try:
        Lab("labwright", text)
    except TopicError as error:
        raise ValueError("1 to 64 of letters, digits, '_', '.' and '-'") from error
    return text


def _is_level(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(_level(text))
    except ValueError:
        return False


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Level = Annotated[str, AfterValidator(_level)]
Levels = Annotated[tuple[Level, ...], BeforeValidator(_tupled)]
CampaignId = Annotated[Level, Field(max_length=32)]
Table = dict[str, Any]


class LabSection(Section):
    """The laboratory, and what its agent keeps.

    Attributes:
        name: in topics and signatures.
        agent: the agent's id there.
        root: first level of all topics.
        state: directory of the journal and the files, below the one of LAB.toml.
        database: ``postgresql://user@host/name``; SQLite in the state directory when it is empty.
        people: directory of the public keys; ``people`` in the state directory when it is empty.
        live: whether orders may reach instruments at all; ``--live`` must say so, too.
        speed: seconds of lab time in a second; other than 1 in a virtual laboratory alone.
        artefact_mb: largest upload, MB.
        files: directories from which instruments of this machine may hand over files by their place.
        free_disk_mb: nothing begins where less is free on the disk of the state directory, MB.
        log_level: least important message that is written.
        log_mb: size at which a log file is put aside, MB.
        log_files: how many such files are kept.
    """

    name: Level
    agent: Level = "agent"
    root: Level = "labwright"
    state: Annotated[str, Field(min_length=1)] = "state"
    database: str = ""
    people: str = ""
    live: bool = False
    speed: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0
    files: Annotated[tuple[str, ...], BeforeValidator(_tupled)] = ()
    artefact_mb: Annotated[float, Field(gt=0.0, le=10_000.0)] = 512.0
    free_disk_mb: Annotated[float, Field(ge=0.0)] = 500.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_mb: Annotated[float, Field(gt=0.0, le=10_000.0)] = 20.0
    log_files: Annotated[int, Field(ge=1, le=1000)] = 10


class BrokerSection(Section):
    """The broker: one that others run (``url``), or a child of the agent (``embedded``).

    Attributes:
        url: ``mqtts://user@host:port``; the password stands in LABWRIGHT_BROKER_PASSWORD or a credential.
        ca: authority that signed the broker's certificate (PEM).
        cert: the agent's certificate.
        key: its private key.
        embedded: run Mosquitto as a child on loopback, with the people and the instruments below.
        port: of the child on loopback; a free one for 0.
        instruments: that may connect to the child.
        people: that may.
    """

    url: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    embedded: bool = False
    port: Port = 0
    instruments: Levels = ()
    people: Levels = ()


class CampaignEntry(CampaignSection):
    """One campaign of the laboratory.

    Attributes:
        id: in topics and in the ids of its proposals; its name too, where it has no other.
        file: a campaign file whose values hold where the entry says nothing.
        priority: of two campaigns that want an instrument the higher one gets it.
        at_once: experiments under way at the same time.
        instruments: that it may order from; all when there is none.
    """

    id: CampaignId
    file: str = ""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    at_once: Annotated[int, Field(ge=1, le=100)] = 1
    instruments: Levels = ()
    space: Table = Field(default_factory=lambda: {"preset": "flagship"})
    objective: Table = Field(default_factory=FLAGSHIP.to_dict)
    recipe: RecipeTable = RecipeTable()
    policy: Table = Field(default_factory=dict)
    budgets: Table = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _called_by_its_id(cls, raw: object) -> object:
        # Several campaigns that nobody named would all have one name.
        if isinstance(raw, dict) and "name" not in raw and _is_level(raw.get("id")):
            return {**raw, "name": raw["id"]}
        return raw

    @property
    def offline(self) -> CampaignConfig:
        """The part of it that an offline campaign has too: what the planner is given."""
        settings = self.model_dump(include=set(CampaignSection.model_fields))
        return CampaignConfig(
            campaign=CampaignSection(**settings), recipe=self.recipe, space=self.space, objective=self.objective
        )


class LabConfig(Section):
    """All of LAB.toml.

    Attributes:
        notify: whom the dashboard tells that something waits.
        limits: what may be ordered at all; see ``agent.rules.limits_config``.
        budgets: of all campaigns together; see ``agent.rules.budgets``.
        hazards: what a proposal warns of; see ``agent.rules.hazards``.
        policy: who approves, where a campaign says nothing else; see ``agent.rules.policy_config``.
        virtual: which virtual instruments it has; None for a laboratory of real ones.
    """

    lab: LabSection
    broker: BrokerSection = BrokerSection()
    http: HttpSection = HttpSection()
    dashboard: DashboardSection = DashboardSection()
    notify: NotifySection = NotifySection()
    limits: Table = Field(default_factory=dict)
    budgets: Table = Field(default_factory=dict)
    hazards: Table = Field(default_factory=dict)
    policy: Table = Field(default_factory=dict)
    virtual: VirtualSection | None = None
    campaign: Annotated[tuple[CampaignEntry, ...], BeforeValidator(_tupled)] = ()
    _home: Path = PrivateAttr(default=Path())
    _source: str = PrivateAttr(default="")
    _shadowed: Path | None = PrivateAttr(default=None)

    @property
    def home(self) -> Path:
        """The directory that relative paths start from."""
        return self._home

    @property
    def source(self) -> str:
        """Name of the file; empty where there is none."""
        return self._source

    @property
    def state(self) -> Path:
        """The state directory."""
        return self._home / self.lab.state

    @property
    def keys(self) -> Path:
        """The laboratory's own state directory, with its credentials and its broker, in shadow, too."""
        return self._shadowed or self.state

    @property
    def people(self) -> Path:
        """Directory of the public keys."""
        return self._home / self.lab.people if self.lab.people else self.state / "people"

    @property
    def identities(self) -> Path | None:
        """Directory of people's encrypted keys; None for the one of the machine's user."""
        return self._home / self.dashboard.identities if self.dashboard.identities else None

    @property
    def topics(self) -> Lab:
        """The laboratory's part of the topic tree."""
        return Lab(self.lab.root, self.lab.name)

    def in_shadow(self) -> LabConfig:
        """The same laboratory with a record of its own: what is only tried spends and ends nothing of the live one."""
        own = {"state": str((self.state / SHADOW).absolute()), "database": "", "people": str(self.people.absolute())}
        shadow = self.model_copy(update={"lab": self.lab.model_copy(update=own)})
        shadow._shadowed = self.keys  # noqa: SLF001 - its own
        return shadow

    def entry(self, campaign: str) -> CampaignEntry:
        """A campaign by its id.

        Raises:
            UserError: there is none.
        """
        for entry in self.campaign:
            if entry.id == campaign:
                return entry
        raise UserError(f"no campaign {campaign!r}: there are {', '.join(e.id for e in self.campaign) or 'none'}")

    def journal(self, environment: Mapping[str, str] | None = None) -> Path | str:
        """Where the journal is: the state directory, or the database's address with its password.

        Raises:
            UserError: a file with the password cannot be read.
        """
        if not self.lab.database:
            return self.state
        return database_url(self.lab.database, credential("database-password", self.keys, environment))

    def address(self, environment: Mapping[str, str] | None = None) -> BrokerAddress:
        """The configured broker with the credentials for it.

        Raises:
            ConfigError: it is embedded, or anything about it is wrong; the message never holds a password.
            UserError: a file with the password cannot be read.
        """
        url = self.broker.url
        return self._address(url, credential("broker-password", self.keys, environment) if "@" in url else None)

    def dashboard_address(self, environment: Mapping[str, str] | None = None) -> BrokerAddress:
        """The configured broker as the mounted dashboard's own user, or as the agent where it has none.

        Raises:
            ConfigError: anything about it is wrong; the message never holds a password.
            UserError: a file with the password cannot be read.
        """
        user = self.dashboard.broker_user
        if not user:
            return self.address(environment)
        scheme, _, rest = self.broker.url.partition("://")
        password = credential("dashboard-password", self.keys, environment)
        return self._address(f"{scheme}://{user}@{rest.rpartition('@')[2]}", password)

    def _address(self, url: str, password: str | None) -> BrokerAddress:
        told = self.broker
        named = {"ca": told.ca, "cert": told.cert, "key": told.key}
        files = {k: self._home / v if v else None for k, v in named.items()}
        try:
            return BrokerAddress.from_url(
                url, password=password, ca=files["ca"], certificate=files["cert"], key=files["key"]
            )
        except ConfigError as error:
            key = "broker.url" if error.key == "broker" else error.key
            raise ConfigError(key, error.value, error.allowed, source=self._source) from error


def load_lab(path: Path) -> LabConfig:
    """Read a laboratory's file with the campaign files that it names.

    Raises:
        UserError: a file cannot be read or is no TOML.
        ConfigError: keys are unknown or values outside their limits.
    """
    return parse_lab(read_toml(path), home=path.absolute().parent, source=str(path))


def parse_lab(raw: Mapping[str, Any], *, home: Path = Path(), source: str = "") -> LabConfig:
    """Validate what a laboratory's file holds.

    Raises:
        UserError: a campaign file cannot be read.
        ConfigError: keys are unknown or values outside their limits; names each key, its value and what is allowed.
    """
    entries = raw.get("campaign")
    whole = with_logins(raw)
    if isinstance(entries, list):
        whole["campaign"] = [_with_file(entry, home) if isinstance(entry, dict) else entry for entry in entries]
    try:
        config = LabConfig.model_validate(whole)
    except ValidationError as error:
        # What stands between keys cannot be judged of such a file; the rules' own tables can.
        raise together([explain(error, LabConfig, source), *(one.at(source) for one in of_tables(whole))]) from error
    config._home, config._source = home, source  # noqa: SLF001 - its own
    wrong = list(contradictions(config))
    if wrong:
        raise together([error.at(source) for error in wrong])
    return config


def is_lab_file(raw: Mapping[str, Any]) -> bool:
    """Whether a TOML file is a laboratory's, not a campaign's."""
    return bool({"lab", "broker", "http", "limits"} & raw.keys())


def virtual_config(
    state: Path,
    *,
    seed: int = 0,
    people: Sequence[str] = (),
    campaigns: Sequence[Mapping[str, Any]] = (),
    speed: float = VIRTUAL_SPEED,
    http_port: int = 0,
    policy: Mapping[str, Any] | None = None,
    identities: Path | None = None,
    instruments: Sequence[str] = VIRTUAL_INSTRUMENTS,
) -> LabConfig:
    """The laboratory of ``labwright run --virtual``: an embedded broker, and the virtual instruments.

    Args:
        state: its directory.
        seed: of its hidden truth, and of the one campaign that it has by default.
        people: who may connect to its broker.
        campaigns: ``[[campaign]]`` tables.
        speed: seconds of lab time in a second.
        http_port: a free one for 0.
        policy: who approves; people do where it says nothing.
        identities: directory of the keys that its dashboard opens; the machine user's own where it is None.
        instruments: that it has.

    Raises:
        ConfigError: a name, an instrument or a campaign is wrong.
    """
    tables = [dict(c) for c in campaigns] or [{"id": "ceramics", "name": "hard ceramics", "seed": seed}]
    for table in tables:  # the virtual furnace makes the same sample of the same order
        costs = {} if "space" in table else {"cost": {"sinter": {"furnace_hours": FIRING_HOURS}}}
        table["recipe"] = {"repeat_interrupted": True, **costs, **table.get("recipe", {})}
    raw = {
        "lab": {"name": "virtual", "state": str(state.absolute()), "speed": speed},
        "broker": {"embedded": True, "people": list(people)},
        "virtual": {"instruments": list(instruments), "seed": seed},
        "http": {"port": http_port},
        "dashboard": {"identities": str(identities.absolute()) if identities else ""},
        "policy": dict(policy or {}),
        "campaign": tables,
    }
    return parse_lab(raw, home=state.absolute().parent)


def _with_file(entry: Table, home: Path) -> Table:
    """An entry with what its campaign file says under what it says itself."""
    name = entry.get("file", "")
    if not isinstance(name, str) or not name:
        return dict(entry)
    told = load_config(home / name)
    under = told.campaign.model_dump(exclude_unset=True)
    for table in ("space", "objective"):
        if table in told.model_fields_set:
            under[table] = getattr(told, table)
    recipe = entry.get("recipe", {})
    if isinstance(recipe, dict):
        under["recipe"] = {**told.recipe.model_dump(exclude_unset=True), **recipe}
    return {**under, **entry, **({"recipe": under["recipe"]} if "recipe" in under else {})}
