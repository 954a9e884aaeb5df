"""People's pages beside the agent: a client of the broker like any other, whose faults stay its own."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from agent.daemon import logs
from agent.daemon.bus import Bus
from agent.daemon.config import LabConfig
from agent.daemon.embedded import dashboard_user
from agent.daemon.house import House
from agent.daemon.porch import PREFIX, Porch
from agent.daemon.web_checks import secrets_of, web_faults
from envs.errors import UserError

if TYPE_CHECKING:
    from agent.dashboard.serve import Plan
    from instruments.address import BrokerAddress

_log = logs.get("dashboard")
MODULE = "agent.dashboard.serve"
"""Imported only where there shall be pages: it brings NiceGUI."""


async def keep_pages(house: House, bus: Bus, porch: Porch) -> None:
    """Have the pages until cancelled; whatever goes wrong with them is logged, and the agent goes on.

    Args:
        house: the agent's parts.
        bus: gives the pages a connection of their own.
        porch: where they stand.
    """
    try:
        await _keep(house, bus, porch)
    except ModuleNotFoundError as error:
        porch.fault = f"{error.name} is not installed: pip install 'labwright[dashboard]' and start the agent again"
        _log.error("there is no dashboard", reason=porch.fault)
    except UserError as error:
        porch.fault = "its settings are wrong: the agent's log says more"
        _log.error("there is no dashboard; the agent goes on without it", reason=str(error))
    except Exception as error:  # noqa: BLE001 - of whatever kind: orders go on
        porch.fault = f"{type(error).__name__}: the agent's log says more"
        _log.exception("the dashboard failed; the agent goes on without it", reason=str(error))
    finally:
        porch.app = None
    await asyncio.Event().wait()


async def _keep(house: House, bus: Bus, porch: Porch) -> None:
    for fault in web_faults(house.config):
        _log.warning("the dashboard's settings", reason=str(fault))
    # In a thread: a second of importing would keep the loop from its orders.
    server: Any = await asyncio.to_thread(importlib.import_module, MODULE)
    async with server.opened(plan_of(server.Plan, house.config, _address(house.config, bus))) as dashboard:
        porch.app = dashboard.asgi
        _log.info("the dashboard is up", path=PREFIX)
        await asyncio.Event().wait()


def _address(config: LabConfig, bus: Bus) -> BrokerAddress:
    return bus.broker.address(dashboard_user(config)) if bus.broker else config.dashboard_address()


def plan_of(make: type[Plan], config: LabConfig, address: BrokerAddress) -> Plan:
    """What the pages need to know, as the laboratory's file says it.

    Args:
        make: its class, whose module is imported only where there shall be pages.
        config: the laboratory's file.
        address: of the broker, as the pages.

    Raises:
        ConfigError: something in it cannot be.
        UserError: a file with a secret cannot be read.
    """
    from agent.dashboard.door.settings import DoorSettings

    told = config.dashboard
    door = DoorSettings(
        prefix=PREFIX, idle_s=60.0 * told.session_idle_min, absolute_s=3600.0 * told.session_max_h,
        proxied=told.behind_proxy,
    )  # fmt: skip
    return make(address, config.topics, config.identities, door, config.notify, secrets_of(config))
