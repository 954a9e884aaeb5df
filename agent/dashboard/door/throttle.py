"""How often somebody may try a password: after a few wrong ones each further try has to wait longer."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FREE_BY_NAME: Final = 5
"""Wrong tries with one name before the first wait: anybody mistypes."""
FREE_BY_ADDRESS: Final = 20
"""Wrong tries from one address before the first wait: a whole laboratory may share one."""
LONGEST_BY_NAME_S: Final = 60.0
"""Kept short: else a stranger could keep somebody out by guessing at their name."""
LONGEST_BY_ADDRESS_S: Final = 900.0
FREE_BY_SESSION: Final = 5
"""Wrong passwords at signing in one session before the first wait."""
FREE_BY_SIGNER: Final = 20
"""Wrong ones of one person in all their sessions: whoever has found one open browser must not hinder the others."""
FORGOTTEN_S: Final = 3600.0
ENTRIES: Final = 4096
_IPV6_NETWORK: Final = 64


@dataclass
class _Tries:
    wrong: int
    until_s: float
    seen_s: float


class _Table:
    """Tries by one thing, such as a name; the one seen longest ago makes way."""

    def __init__(self, free: int, longest_s: float, entries: int) -> None:
        self._free, self._longest_s, self._entries = free, longest_s, entries
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        tries = self._tries.get(key)
        if tries is None or now - tries.seen_s > FORGOTTEN_S:
            return 0.0
        return max(0.0, tries.until_s - now)

    def note(self, key: str, now: float) -> None:
        tries = self._tries.pop(key, None)
        wrong = tries.wrong + 1 if tries is not None and now - tries.seen_s <= FORGOTTEN_S else 1
        beyond = wrong - self._free
        wait = min(self._longest_s, 2.0 ** min(beyond, 16)) if beyond >= 0 else 0.0
        self._tries[key] = _Tries(wrong, now + wait, now)
        while len(self._tries) > self._entries:
            self._tries.popitem(last=False)

    def take_back(self, key: str) -> None:
        tries = self._tries.get(key)
        if tries is not None:
            tries.wrong, tries.until_s = tries.wrong - 1, 0.0

    def forget(self, key: str) -> None:
        self._tries.pop(key, None)


class Throttle:
    """Tries to log in, by name and by address.

    A try counts as wrong from its beginning, so that many at once are not all let through.

    Args:
        clock: monotonic time, s.
        entries: names, and addresses, that are remembered at most.
    """

    def __init__(self, clock: Callable[[], float], *, entries: int = ENTRIES) -> None:
        self._clock = clock
        self._names = _Table(FREE_BY_NAME, LONGEST_BY_NAME_S, entries)
        self._addresses = _Table(FREE_BY_ADDRESS, LONGEST_BY_ADDRESS_S, entries)

    def begin(self, name: str, address: str) -> float:
        """Begin a try; how long to wait instead, s, where it is one too many: 0 lets it through."""
        now, network = self._clock(), network_of(address)
        wait = max(self._names.wait_s(name.casefold(), now), self._addresses.wait_s(network, now))
        if wait == 0.0:
            self._names.note(name.casefold(), now)
            self._addresses.note(network, now)
        return wait

    def passed(self, name: str, address: str) -> None:
        """The try that was begun was right."""
        self._names.forget(name.casefold())
        self._addresses.take_back(network_of(address))

    def unjudged(self, name: str, address: str) -> None:
        """Nobody could say whether the try that was begun was right: it does not count."""
        self._names.take_back(name.casefold())
        self._addresses.take_back(network_of(address))


class SigningThrottle:
    """Passwords of people who are logged in already and sign, by session and by person.

    Args:
        clock: monotonic time, s.
        entries: sessions, and people, that are remembered at most.
    """

    def __init__(self, clock: Callable[[], float], *, entries: int = ENTRIES) -> None:
        self._clock = clock
        self._sessions = _Table(FREE_BY_SESSION, LONGEST_BY_NAME_S, entries)
        self._people = _Table(FREE_BY_SIGNER, LONGEST_BY_NAME_S, entries)

    def wait_s(self, name: str, session: str) -> float:
        """How long to wait before the next try, s; 0 where it may be made."""
        now = self._clock()
        return max(self._sessions.wait_s(session, now), self._people.wait_s(name, now))

    def wrong(self, name: str, session: str) -> float:
        """Note a wrong password; how long the next try has to wait now, s."""
        now = self._clock()
        self._sessions.note(session, now)
        self._people.note(name, now)
        return self.wait_s(name, session)

    def right(self, name: str, session: str) -> None:
        """Note a right one: what was wrong before is forgotten, but for other sessions."""
        self._sessions.forget(session)
        self._people.forget(name)


def network_of(address: str) -> str:
    """What one person has of addresses: one of IPv4, or a /64 network of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, _IPV6_NETWORK), strict=False))
    return str(ip)
