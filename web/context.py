"""Services and caches of the Flask app, for its views."""

import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import flask
from gevent.lock import BoundedSemaphore

from settings import Settings
from storage import Accounts, Database, Event, Store

from .assets import Asset, load_assets
from .metrics import Metrics
from .throttle import Throttle


@dataclass
class Context:
    """Services and caches that views use."""

    version: str
    settings: Settings
    database: Database
    store: Store
    accounts: Accounts
    #: Returns the health of each service.
    health: Callable[[], Mapping[str, Mapping[str, Any]]]
    metrics: Metrics
    #: Returns the newest samples of each series of the feed, pairs of x (milliseconds since 1970) and y.
    samples: Callable[[], dict[str, list[tuple[float, float]]]] = dict
    #: Returns the newest lines of the log, oldest first: Unix seconds, level, text.
    log_lines: Callable[[], list[tuple[float, str, str]]] = list
    started: float = field(default_factory=time.monotonic)
    assets: dict[str, Asset] = field(default_factory=load_assets)
    #: Public pages as last rendered, each with the state that it shows, plain and gzipped.
    rendered: dict[str, tuple[Any, bytes, bytes]] = field(default_factory=dict)
    throttle: Throttle = field(default_factory=Throttle)
    #: Networks with a password that is being hashed.
    hashing: set[str] = field(default_factory=set)

    #: Limits concurrent public reads of the history, since a thousand events take a megabyte.
    public_reads: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(2))

    #: Deals of each hour of a day, with the newest change and the day for which they were counted.
    hours: list[int] = field(default_factory=list)
    hours_of: tuple[Event, datetime.date] | None = None

    #: The response of /api/rounds, with the newest change that it includes.
    rounds: dict[str, Any] = field(default_factory=dict)
    rounds_of: Event | None = None

    def title(self) -> str:
        """Return the heading with the current goal."""
        return self.settings.heading.replace("{goal}", str(self.store.current.goal))


def day_of(date: datetime.date) -> tuple[float, float]:
    """Return the beginning and end of a day in the server's time zone, in Unix seconds."""
    begin = datetime.datetime.combine(date, datetime.time())
    return begin.timestamp(), (begin + datetime.timedelta(days=1)).timestamp()


def context() -> Context:
    """Return the context of the app that handles this request."""
    found: Context = flask.current_app.extensions["button"]
    return found
