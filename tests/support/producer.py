"""The producer of "WebSockets to Socket.io" (2011), rewritten with plain pyzmq.

`producer.py ENDPOINT` sends a sine, one sample every 50 ms. `producer.py ENDPOINT RATE SECONDS` sends RATE
samples a second for SECONDS.
"""

import json
import math
import sys
import time

import zmq


def main(endpoint, rate=20.0, seconds=math.inf):
    publisher = zmq.Context().socket(zmq.PUB)
    publisher.connect(endpoint)
    started, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        while sent < elapsed * rate:
            x = time.time() * 1000
            publisher.send(json.dumps({"x": x, "y": 2.5 * (1 + math.sin(x / 500))}).encode())
            sent += 1
        time.sleep(min(0.05, 1 / rate) if rate < 1000 else 0.001)
    publisher.close(linger=1000)


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
