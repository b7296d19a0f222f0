"""A client of the graph, and the feed's endpoint."""

import re
import time

import socketio
from server import DEADLINE, TRANSPORTS, disconnect, in_order, until

from integrations.samples import MAX_SAMPLES


class Graph:
    """A client of `/graph`.

    `events` holds (time, samples) pairs, `series` the newest 100 samples of each series.
    """

    def __init__(self, server, name="websocket"):
        self.events = []
        self.series = {}
        self.client = in_order(socketio.Client(reconnection=False))
        self.client.on("samples", self._take, namespace="/graph")
        self.client.connect(
            server.url, transports=TRANSPORTS[name], namespaces=["/graph"], wait_timeout=DEADLINE
        )
        until(lambda: self.events, "the first samples")

    def _take(self, event):
        for series, samples in event["series"].items():
            self.series[series] = (self.series.get(series, []) + samples)[-MAX_SAMPLES:]
        self.events.append((time.monotonic(), event["series"]))

    def values(self, series="Value"):
        return [y for _, y in self.series.get(series, [])]

    def close(self):
        disconnect(self.client)


def endpoint_of(server):
    return next(found[1] for line in server.log if (found := re.search(r"Feed listens at (\S+)", line)))
