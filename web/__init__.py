"""What people and programs see: pages, admin, API, Socket.IO events, health."""

from .parts import Parts
from .remote import Remote
from .security import Gate, is_api, origin_allowed, security_headers
from .sockets import Sockets
from .supervisor import Supervisor
from .webhook import Webhook

__all__ = [
    "Gate",
    "Parts",
    "Remote",
    "Sockets",
    "Supervisor",
    "Webhook",
    "is_api",
    "origin_allowed",
    "security_headers",
]
