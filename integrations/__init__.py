"""Other programs: publishers, the webhook's receiver, a server far away, systemd."""

from . import log_output, process, terminal
from .feed import Feed, FeedError, publish_sine
from .remote_button import RemoteButton
from .systemd import Watchdog
from .webhook import Webhook

__all__ = [
    "Feed",
    "FeedError",
    "RemoteButton",
    "Watchdog",
    "Webhook",
    "log_output",
    "process",
    "publish_sine",
    "terminal",
]
