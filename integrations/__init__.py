"""Other programs: publishers, the webhook's receiver, a server far away, systemd."""

from .feed import Feed, FeedError, publish_sine
from .remote_button import RemoteButton
from .systemd import Watchdog
from .webhook import Webhook

__all__ = ["Feed", "FeedError", "RemoteButton", "Watchdog", "Webhook", "publish_sine"]
