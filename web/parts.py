"""What the pages need of the rest of the program, kept with the Flask app."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import flask

from settings import Settings
from storage import Accounts, Database, Event, Store

from .assets import Asset, load_assets
from .health import Collector, Metrics
from .security import Throttle


@dataclass
class Parts:
    """The parts of the running program that a request may use."""

    version: str
    settings: Settings
    database: Database
    store: Store
    accounts: Accounts
    #: The health of each part: a name, and what tells it.
    status: dict[str, Callable[[], dict[str, Any]]]
    #: The newest samples of each series of the feed, pairs of x (milliseconds since 1970) and y.
    samples: Callable[[], dict[str, list[tuple[float, float]]]] = dict
    #: To be called with each event that every screen has been told of; none may block.
    announced: list[Callable[[Event], None]] = field(default_factory=list)
    #: To be called when sessions may have ended.
    sessions_changed: Callable[[], None] = lambda: None
    started: float = field(default_factory=time.monotonic)
    metrics: Metrics = field(default_factory=Metrics)
    assets: dict[str, Asset] = field(default_factory=load_assets)
    #: Public pages as last rendered: the state they show, plain, gzipped.
    rendered: dict[str, tuple[Any, bytes, bytes]] = field(default_factory=dict)
    throttle: Throttle = field(default_factory=Throttle)
    #: The addresses whose password waits to be hashed.
    hashing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.metrics.registry.register(Collector(self))

    def ask(self) -> dict[str, dict[str, Any]]:
        """What each part says of its health."""
        return {name: tell() for name, tell in self.status.items()}

    def title(self) -> str:
        """The heading, with the goal of now in it."""
        return self.settings.title.replace("{goal}", str(self.store.current.goal))


def parts() -> Parts:
    """The parts of the app that handles this request."""
    found: Parts = flask.current_app.extensions["button"]
    return found
