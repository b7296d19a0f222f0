"""The publisher of the demonstration."""

import math
import time
from typing import Any

import gevent


def publish_sine(endpoint: str) -> None:
    """Publish a sine 20 times a second, as the producer of "WebSockets to Socket.io" did. Does not return."""
    import zmq.green as zmq  # only for the demonstration

    publisher: Any = zmq.Context.instance().socket(zmq.PUB)
    publisher.set(zmq.LINGER, 0)
    publisher.set(zmq.IPV6, int("[" in endpoint))
    publisher.connect(endpoint.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]"))
    while True:
        x_ms = time.time() * 1000
        publisher.send_json({"x": x_ms, "y": 2.5 * (1 + math.sin(x_ms / 500))})
        gevent.sleep(0.05)
