"""How often somebody may try a password: few times a minute, from one address or for one user."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_FROM, MOST_FOR = 5, 20
"""How many wrong passwords from one address, and for one user from anywhere, in a window."""
WINDOW_S = 60.0
MOST_KEPT = 10_000
"""How many addresses and users are remembered; the oldest are forgotten first."""


@dataclass
class Attempts:
    """The wrong passwords of the last minute, by address and by user.

    Examples
    --------
    >>> tries = Attempts()
    >>> [tries.begin("10.0.0.1", "ann") for _ in range(6)][-2:]
    [True, False]
    """

    clock: Callable[[], float] = time.monotonic
    _kept: OrderedDict[tuple[str, str], deque[float]] = field(default_factory=OrderedDict)

    def begin(self, address: str, user: str) -> bool:
        """Return whether a password may be tried now; it counts as wrong until `passed`."""
        now = self.clock()
        keys = _keys(address, user)
        for key, most in keys:
            tried = self._kept.get(key, deque())
            while tried and tried[0] <= now - WINDOW_S:
                tried.popleft()
            if len(tried) >= most:
                return False
        for key, _ in keys:
            self._kept.setdefault(key, deque()).append(now)
            self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return True

    def passed(self, address: str, user: str) -> None:
        """Forget the attempt that has just begun: the password was right."""
        for key, _ in _keys(address, user):
            tried = self._kept.get(key)
            if tried:
                tried.pop()


def _keys(address: str, user: str) -> list[tuple[tuple[str, str], int]]:
    return [(("from", _network(address)), MOST_FROM), (("for", user), MOST_FOR)]


def _network(address: str) -> str:
    """Return an address, or the whole network of one that has 2 to the 64 others to try from."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    is_wide = isinstance(found, IPv6Address) and found.ipv4_mapped is None
    return str(ip_network((found, 64), strict=False)) if is_wide else str(found)
