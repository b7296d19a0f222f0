"""What people and programs see: pages, admin, API, Socket.IO events, health."""

from .parts import Parts
from .security import Gate, origin_allowed
from .sockets import Sockets

__all__ = ["Gate", "Parts", "Sockets", "origin_allowed"]
