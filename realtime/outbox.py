"""Queue of outgoing packets for one client."""

import itertools
from collections.abc import Callable, Hashable

from .packets import Packet

_unique = itertools.count()


class Outbox:
    """A queue of packets in which a packet replaces an earlier one with the same key.

    Args:
        reserve: Called with the change in bytes of the queued packets that are not shared with other
            clients. It returns False if the memory budget is exceeded.
    """

    __slots__ = ("_packets", "_reserve", "size", "urgent")

    def __init__(self, reserve: Callable[[int], bool]) -> None:
        self._reserve = reserve
        self._packets: dict[Hashable, Packet] = {}
        #: Bytes of the packets that are not shared with other clients.
        self.size = 0
        #: Whether a queued packet completes a long poll immediately.
        self.urgent = False

    def __len__(self) -> int:
        return len(self._packets)

    def append(self, packet: Packet) -> bool:
        """Append a packet. Return whether the memory budget allows it."""
        key = next(_unique) if packet.key is None else packet.key
        grown = -self._discard(key)
        self._packets[key] = packet
        self.urgent = self.urgent or not packet.batched
        if not packet.shared:
            grown += len(packet.payload)
        return not grown or self._grow(grown)

    def popleft(self) -> Packet:
        """Remove and return the oldest packet."""
        packet = self._packets.pop(next(iter(self._packets)))
        if not packet.shared:
            self._grow(-len(packet.payload))
        return packet

    def take(self, number: int) -> list[Packet]:
        """Remove and return up to `number` packets. The remaining ones are urgent."""
        taken = [self.popleft() for _ in range(min(number, len(self)))]
        self.urgent = bool(self._packets)
        return taken

    def drop_batched(self) -> None:
        """Drop the batched packets, so that the newest state is sent first."""
        for key in [key for key, packet in self._packets.items() if packet.batched]:
            self._grow(-self._discard(key))

    def clear(self) -> None:
        """Drop all packets."""
        self._packets.clear()
        self._grow(-self.size)

    def _discard(self, key: Hashable) -> int:
        """Drop the packet with this key. Return the number of unshared bytes freed."""
        packet = self._packets.pop(key, None)
        return 0 if packet is None or packet.shared else len(packet.payload)

    def _grow(self, size: int) -> bool:
        self.size += size
        return self._reserve(size)
