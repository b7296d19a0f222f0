"""Throttling of logins by network."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable


def network(address: str) -> str:
    """Return the network by which logins are throttled: an IPv4 address, an IPv6 /64.

    A port that a proxy appended is ignored. An invalid address counts as a separate network.
    """
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class Throttle:
    """Slows wrong passwords down, by network alone, so that no client can lock others out.

    `FREE_TRIES` wrong tries are free; each further one is rejected for 1, 2, 4 … `MAX_DELAY` s since the
    last.

    Args:
        clock: Any steady clock, in seconds.
        max_networks: Networks that are remembered, the newest.
    """

    FREE_TRIES = 5
    MAX_DELAY = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_networks: int = 10_000) -> None:
        self._clock = clock
        self._max_networks = max_networks
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, network: str) -> float:
        """Return the seconds until `network` may try again; 0: now."""
        tries, last = self._wrong.get(network, (0, 0.0))
        if tries < self.FREE_TRIES:
            return 0.0
        delay = min(self.MAX_DELAY, 2.0 ** min(tries - self.FREE_TRIES, 10))
        return max(0.0, last + delay - self._clock())

    def failed(self, network: str) -> None:
        """Note a wrong try."""
        tries, _ = self._wrong.pop(network, (0, 0.0))
        self._wrong[network] = (tries + 1, self._clock())
        if len(self._wrong) > self._max_networks:
            self._wrong.popitem(last=False)

    def succeeded(self, network: str) -> None:
        """Forget the wrong tries of `network`."""
        self._wrong.pop(network, None)
