"""`/healthz` and `/metrics`."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import flask
import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from .context import Context, context

monitoring = flask.Blueprint("monitoring", __name__)


class _Row(NamedTuple):
    """A metric and the location of its value in the health report.

    A mapping yields one sample per entry, labelled with its key. None counts as 0.
    """

    name: str
    kind: type[GaugeMetricFamily | CounterMetricFamily]
    help: str
    #: The service and the key in its status.
    service: str
    key: str
    label: str = ""


_GAUGE, _COUNTER = GaugeMetricFamily, CounterMetricFamily
METRICS = (
    _Row(
        "connections", _GAUGE,
        "Open connections by kind: HTTP (including long polls) and WebSocket; each uses a descriptor",
        "connections", "", "kind",
    ),
    _Row("waiting_presses", _GAUGE, "Presses waiting to be written", "database", "waiting"),
    _Row(
        "refused_presses", _COUNTER, "Presses of the pin that were rejected because 1,000 were queued",
        "database", "refused_presses",
    ),
    _Row(
        "sampler_long_gaps", _COUNTER,
        "Gaps between pin samples in which a press could be missed", "hardware", "long_gaps",
    ),
    _Row(
        "sampler_last_long_gap_seconds", _GAUGE, "Duration of the last long gap", "hardware", "last_gap"
    ),
    _Row(
        "sampler_last_long_gap_timestamp_seconds", _GAUGE,
        "Unix time of the last long gap, 0 if none", "hardware", "last_gap_at",
    ),
    _Row("sampler_worst_gap_seconds", _GAUGE, "Duration of the longest gap", "hardware", "worst_gap"),
    _Row("pin_presses", _COUNTER, "Presses of all pins", "hardware", "presses"),
    _Row(
        "pin_last_press_timestamp_seconds", _GAUGE,
        "Unix time of the last pin press since the start, 0 if none", "hardware", "pressed_at",
    ),
    _Row("bounces", _COUNTER, "Bounces and glitches of all pins", "hardware", "bounces"),
    _Row("stuck", _GAUGE, "Buttons held for over 10 s", "hardware", "stuck"),
    _Row("feed_messages", _COUNTER, "Messages received by the feed", "feed", "messages"),
    _Row("feed_series", _GAUGE, "Series in the graph", "feed", "series"),
    _Row("feed_dropped", _COUNTER, "Malformed feed messages, by reason", "feed", "dropped", "reason"),
    _Row(
        "webhook_sent", _COUNTER, "Changes accepted by the webhook receivers",
        "webhook", "sent",
    ),
)  # fmt: skip


class Collector:
    """The state of the services as Prometheus metrics."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, starting with those of the count."""
        store, state = self._context.store, self._context.store.current
        report = self._context.health()
        recording = not any(status.get("trouble") for status in report.values())
        version = {self._context.version: 1}
        uptime = round(time.monotonic() - self._context.started, 1)
        yield _family(_GAUGE, "build_info", "Always 1, labelled with the running version", version, "version")
        yield _family(
            GaugeMetricFamily, "recording", "1 if a press can be recorded now, otherwise 0", int(recording)
        )
        yield _family(_GAUGE, "count", "Presses to go", state.count)
        yield _family(_GAUGE, "goal", "The goal", state.goal)
        yield _family(_COUNTER, "seq", "Total number of recorded changes", state.seq)
        yield _family(_GAUGE, "uptime_seconds", "Seconds since the start", uptime)
        warnings = {name: len(status.get("warnings", [])) for name, status in report.items()}
        yield _family(_GAUGE, "warnings", "Warnings in /healthz", warnings, "service")
        clients = {name: report["clients"][name] for name in ("websocket", "polling")}
        yield _family(_GAUGE, "clients", "Socket.IO clients by transport", clients, "transport")
        changes = CounterMetricFamily(
            "button_changes",
            "Changes recorded by this server since its start, by kind and source",
            labels=["kind", "source"],
        )
        for (kind, source), number in store.recorded.items():
            changes.add_metric([kind, source], number)
        yield changes
        for row in METRICS:
            if (status := report.get(row.service)) is not None:
                value = status[row.key] if row.key else status
                yield _family(row.kind, row.name, row.help, value, row.label)


def _family(kind: Any, name: str, help: str, value: Any, label: str = "") -> Metric:
    if isinstance(value, list):
        value = len(value)
    family = kind(f"button_{name}", help, labels=[label] if label else None)
    for labels, number in [([each], value[each]) for each in value] if label else [([], value or 0)]:
        family.add_metric(labels, number)
    metric: Metric = family
    return metric


@monitoring.get("/healthz")
def healthz() -> Any:
    """Respond with 503 only if a press cannot be recorded now; other problems are warnings."""
    services = context()
    status = services.health()
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
