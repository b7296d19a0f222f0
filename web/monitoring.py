"""Health and metrics: `/healthz` and `/metrics`."""

import time
from collections.abc import Iterator
from typing import Any

import flask
import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from .context import Context, context

monitoring = flask.Blueprint("monitoring", __name__)


class Collector:
    """The state of the parts, as Prometheus wants it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """Ask each part."""
        state = self._context.store.current
        status = self._context.health.report()
        clients, database = status["clients"], status["database"]
        build = GaugeMetricFamily("button_build_info", "The version that runs", labels=["version"])
        build.add_metric([self._context.version], 1)
        yield build
        recording = not any(part.get("trouble") for part in status.values())
        yield GaugeMetricFamily("button_recording", "1: a press can be recorded now, else 0", int(recording))
        yield GaugeMetricFamily("button_count", "Presses to go", state.count)
        yield GaugeMetricFamily("button_goal", "The goal", state.goal)
        yield CounterMetricFamily("button_seq", "Changes recorded, ever", state.seq)
        changes = CounterMetricFamily(
            "button_changes", "Changes recorded by this server since it started", labels=["kind", "source"]
        )
        for (kind, source), number in self._context.store.recorded.items():
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
            "button_refused_presses", "Rejected presses of the pin", database["refused_presses"]
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
                "Changes that the receiver of the webhook has accepted",
                status["webhook"]["sent"],
            )
        up = time.monotonic() - self._context.started
        yield GaugeMetricFamily("button_uptime_seconds", "Seconds since the start", round(up, 1))


@monitoring.get("/healthz")
def healthz() -> Any:
    """Respond with 503 only if a press cannot be recorded now; other problems are warnings."""
    services = context()
    status = services.health.report()
    failing = [f"{name}: {part['trouble']}" for name, part in status.items() if part.get("trouble")]
    warnings = [f"{name}: {text}" for name, part in status.items() for text in part.get("warnings", [])]
    body = {
        "status": "failing" if failing else "ok",
        "failing": failing,
        "warnings": warnings,
        "version": services.version,
        "id": services.accounts.known_identity,
        "uptime": round(time.monotonic() - services.started, 1),
        **status,
    }
    return body, 503 if failing else 200, {"Cache-Control": "no-store"}


@monitoring.get("/metrics")
def metrics() -> Any:
    text = prometheus.generate_latest(context().metrics.registry)
    return flask.Response(text, content_type=prometheus.CONTENT_TYPE_LATEST)
