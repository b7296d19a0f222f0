"""Login throttling by network."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable


def network(address: str) -> str:
    """Return the network to throttle logins by, an IPv4 address or an IPv6 /64.

    A port appended by a proxy is ignored. An invalid address counts as a separate network.
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
    """Throttle for login attempts with a wrong password.

    From the `FREE_TRIES`th failed attempt on, a network must wait 1, 2, 4 … `MAX_DELAY` s before the next.
    Other networks are not affected, so a client cannot lock them out.

    Args:
        clock: A monotonic clock, in seconds.
        max_networks: Maximum number of networks to track. The newest are kept.
    """

    FREE_TRIES = 5
    MAX_DELAY = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_networks: int = 10_000) -> None:
        self._clock = clock
        self._max_networks = max_networks
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, network: str) -> float:
        """Return the seconds until `network` can try again, 0 if it can now."""
        tries, last = self._wrong.get(network, (0, 0.0))
        if tries < self.FREE_TRIES:
            return 0.0
        delay = min(self.MAX_DELAY, 2.0 ** min(tries - self.FREE_TRIES, 10))
        return max(0.0, last + delay - self._clock())

    def failed(self, network: str) -> None:
        """Record a failed attempt."""
        tries, _ = self._wrong.pop(network, (0, 0.0))
        self._wrong[network] = (tries + 1, self._clock())
        if len(self._wrong) > self._max_networks:
            self._wrong.popitem(last=False)

    def succeeded(self, network: str) -> None:
        """Reset the failed attempts of `network`."""
        self._wrong.pop(network, None)
