"""What people and programs see: pages, admin, API, Socket.IO events, health."""

from .parts import Parts
from .remote import Remote, is_url
from .security import Gate, is_api, origin_allowed, security_headers
from .sockets import Sockets

__all__ = ["Gate", "Parts", "Remote", "Sockets", "is_api", "is_url", "origin_allowed", "security_headers"]
