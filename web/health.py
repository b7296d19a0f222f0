"""Whether all is well, for monitors: `/healthz` and `/metrics`."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import flask
import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from .parts import Parts

health = flask.Blueprint("health", __name__)

#: Seconds; an SD card commits in 30 ms, ten thousand screens are told in 80 ms.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """What is measured as it happens; the rest is asked of the parts when somebody looks."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        self.commit = self._histogram("commit", "a transaction took to be on disk")
        self.broadcast = self._histogram("broadcast", "it took to hand a count to every screen")
        self._rejected = prometheus.Counter(
            "button_rejected", "Input that was refused, by reason", ["reason"], registry=self.registry
        )

    def reject(self, reason: str) -> None:
        """Count an input that was refused."""
        self._rejected.labels(reason).inc()

    def _histogram(self, name: str, what: str) -> prometheus.Histogram:
        return prometheus.Histogram(
            f"button_{name}_seconds", f"Seconds that {what}", registry=self.registry, buckets=BUCKETS
        )


class Collector:
    """The state of the parts, as Prometheus wants it."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Ask each part."""
        state = self._parts.store.current
        status = self._parts.ask()
        clients, database = status["clients"], status["database"]
        yield GaugeMetricFamily("button_count", "Deals to go", state.count)
        yield GaugeMetricFamily("button_goal", "The goal", state.goal)
        yield CounterMetricFamily("button_seq", "Changes recorded, ever", state.seq)
        changes = CounterMetricFamily(
            "button_changes", "Changes recorded by this server since it started", labels=["kind", "source"]
        )
        for (kind, source), number in self._parts.store.recorded.items():
            changes.add_metric([kind, source], number)
        yield changes
        transports = GaugeMetricFamily("button_clients", "Socket.IO clients of now", labels=["transport"])
        for transport in ("websocket", "polling"):
            transports.add_metric([transport], clients[transport])
        yield transports
        if "connections" in status:
            connections = GaugeMetricFamily(
                "button_connections", "Connections of now, which are descriptors", labels=["kind"]
            )
            for kind, number in status["connections"].items():
                connections.add_metric([kind], number)
            yield connections
        yield GaugeMetricFamily(
            "button_waiting_presses", "Presses that wait for the disk", database["waiting"]
        )
        yield CounterMetricFamily(
            "button_refused_presses", "Presses of the pin that were refused", database["refused_presses"]
        )
        if "hardware" in status:
            hardware = status["hardware"]
            yield CounterMetricFamily(
                "button_sampler_long_gaps",
                "Gaps between samples of the pin into which a press could fall unseen",
                hardware["long_gaps"],
            )
            yield GaugeMetricFamily(
                "button_sampler_last_long_gap_seconds", "The last of these gaps", hardware["last_gap"] or 0
            )
            yield CounterMetricFamily(
                "button_pin_presses", "Presses that the pins have seen", hardware["presses"]
            )
            yield GaugeMetricFamily(
                "button_sampler_last_long_gap_timestamp_seconds",
                "When that was, in Unix seconds; 0: never",
                hardware["last_gap_at"] or 0,
            )
            yield GaugeMetricFamily(
                "button_pin_last_press_timestamp_seconds",
                "When a pin was pressed last, in Unix seconds; 0: not since the start",
                hardware["pressed_at"] or 0,
            )
            yield GaugeMetricFamily(
                "button_sampler_worst_gap_seconds", "The longest gap so far", hardware["worst_gap"]
            )
            yield CounterMetricFamily(
                "button_bounces", "Bounces and glitches of the pins", hardware["bounces"]
            )
            yield GaugeMetricFamily("button_stuck", "Buttons held for over 10 s", len(hardware["stuck"]))
        if "feed" in status:
            feed = status["feed"]
            yield CounterMetricFamily("button_feed_messages", "Messages of the feed", feed["messages"])
            yield GaugeMetricFamily("button_feed_series", "Series that the graph shows", feed["series"])
            dropped = CounterMetricFamily(
                "button_feed_dropped", "Messages of the feed that were malformed", labels=["reason"]
            )
            for reason, number in feed["dropped"].items():
                dropped.add_metric([reason], number)
            yield dropped
        if "webhook" in status:
            yield CounterMetricFamily(
                "button_webhook_sent",
                "Changes that the webhook's receiver has answered",
                status["webhook"]["sent"],
            )
        up = time.monotonic() - self._parts.started
        yield GaugeMetricFamily("button_uptime_seconds", "Seconds since the start", round(up, 1))


@health.get("/healthz")
def healthz() -> Any:
    """503 only if a press cannot be recorded now; what else is amiss is a warning."""
    parts: Parts = flask.current_app.extensions["button"]
    status = parts.ask()
    failing = [f"{name}: {part['trouble']}" for name, part in status.items() if part.get("trouble")]
    warnings = [f"{name}: {text}" for name, part in status.items() for text in part.get("warnings", [])]
    body = {
        "status": "failing" if failing else "ok",
        "failing": failing,
        "warnings": warnings,
        "version": parts.version,
        "uptime": round(time.monotonic() - parts.started, 1),
        **status,
    }
    return body, 503 if failing else 200, {"Cache-Control": "no-store"}


@health.get("/metrics")
def metrics() -> Any:
    parts: Parts = flask.current_app.extensions["button"]
    text = prometheus.generate_latest(parts.metrics.registry)
    return flask.Response(text, content_type=prometheus.CONTENT_TYPE_LATEST)
