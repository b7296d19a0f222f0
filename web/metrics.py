"""Prometheus metrics that are recorded as events occur."""

import prometheus_client as prometheus

#: Histogram buckets in seconds. An SD card commits in 30 ms, a broadcast to 10,000 screens takes 80 ms.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counters and histograms.

    `monitoring.Collector` adds the state of the services.
    """

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        prometheus.PlatformCollector(registry=self.registry)
        self.commit = self._histogram("commit", "a transaction took to commit")
        self.broadcast = self._histogram("broadcast", "a broadcast of a count to all screens took")
        self._rejected = prometheus.Counter(
            "button_rejected", "Rejected input, by reason", ["reason"], registry=self.registry
        )

    def reject(self, reason: str) -> None:
        """Count a rejected input."""
        self._rejected.labels(reason).inc()

    def _histogram(self, name: str, what: str) -> prometheus.Histogram:
        return prometheus.Histogram(
            f"button_{name}_seconds", f"Seconds that {what}", registry=self.registry, buckets=BUCKETS
        )
