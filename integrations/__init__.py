"""Integration with other programs: feed publishers, webhooks, a remote server, systemd."""

from . import command_line, log_output, process, terminal
from .demo import publish_sine
from .feed import Feed, FeedError
from .remote_button import RemoteButton
from .webhook import Webhook

__all__ = [
    "Feed",
    "FeedError",
    "RemoteButton",
    "Webhook",
    "command_line",
    "log_output",
    "process",
    "publish_sine",
    "terminal",
]
