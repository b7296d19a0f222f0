"""What people and programs see: pages, admin, API, Socket.IO events, health."""

from .admin import LONGEST_PASSWORD
from .create import create_app
from .parts import Parts
from .remote import Remote
from .security import security_headers
from .supervisor import Supervisor
from .webhook import Webhook

__all__ = [
    "LONGEST_PASSWORD",
    "Parts",
    "Remote",
    "Supervisor",
    "Webhook",
    "create_app",
    "security_headers",
]
