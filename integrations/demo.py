"""Publisher of samples for the demo."""

import math
import time
from typing import Any

import gevent


def publish_sine(endpoint: str) -> None:
    """Publish a sine wave at 20 samples per second. Does not return.

    It stands in for the producer in "WebSockets to Socket.io".
    """
    import zmq.green as zmq  # only for the demo

    publisher: Any = zmq.Context.instance().socket(zmq.PUB)
    publisher.set(zmq.LINGER, 0)
    publisher.set(zmq.IPV6, int("[" in endpoint))
    publisher.connect(endpoint.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]"))
    while True:
        x_ms = time.time() * 1000
        publisher.send_json({"x": x_ms, "y": 2.5 * (1 + math.sin(x_ms / 500))})
        gevent.sleep(0.05)
