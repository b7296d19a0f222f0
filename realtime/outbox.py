"""The packets that wait for a client."""

import itertools
from collections.abc import Callable, Hashable

from .packets import Packet

_unique = itertools.count()


class Outbox:
    """A queue of packets in which a packet replaces an earlier one with the same key.

    Args:
        hold: Called with the number of bytes by which the packets for this client alone have grown. It
            returns false if the memory budget is exceeded. Packets that clients share count nothing.
    """

    __slots__ = ("_hold", "_packets", "size", "urgent")

    def __init__(self, hold: Callable[[int], bool]) -> None:
        self._hold = hold
        self._packets: dict[Hashable, Packet] = {}
        #: Bytes that no other client shares.
        self.size = 0
        #: Whether a packet in it completes a long poll at once.
        self.urgent = False

    def __len__(self) -> int:
        return len(self._packets)

    def append(self, packet: Packet) -> bool:
        """Append a packet; return false if the memory budget is exceeded."""
        key = next(_unique) if packet.key is None else packet.key
        grown = -self._discard(key)
        self._packets[key] = packet
        self.urgent = self.urgent or not packet.batched
        if not packet.shared:
            grown += len(packet.payload)
        return not grown or self._grow(grown)

    def popleft(self) -> Packet:
        """Take the packet that has waited longest."""
        packet = self._packets.pop(next(iter(self._packets)))
        if not packet.shared:
            self._grow(-len(packet.payload))
        return packet

    def take(self, number: int) -> list[Packet]:
        """Take up to `number` packets; those that are left are urgent."""
        taken = [self.popleft() for _ in range(min(number, len(self)))]
        self.urgent = bool(self._packets)
        return taken

    def drop_batched(self) -> None:
        """Drop the batched packets, so that the newest state goes out first."""
        for key in [key for key, packet in self._packets.items() if packet.batched]:
            self._grow(-self._discard(key))

    def clear(self) -> None:
        """Drop all packets."""
        self._packets.clear()
        self._grow(-self.size)

    def _discard(self, key: Hashable) -> int:
        """Drop the packet with that key; return the bytes that it held."""
        packet = self._packets.pop(key, None)
        return 0 if packet is None or packet.shared else len(packet.payload)

    def _grow(self, size: int) -> bool:
        self.size += size
        return self._hold(size)
