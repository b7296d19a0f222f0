"""Latency of samples and of presses during a flood, and memory of the graph."""

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import socketio
import zmq
from playwright.sync_api import sync_playwright

from bench.rig import HERE, percentile, server, spread, until

SAMPLES, SAMPLE_INTERVAL = 60, 0.1  # seconds
FLOOD_RATE, FLOOD_SECONDS = 20_000, 20  # messages per second
PRODUCER = HERE.parent / "tests/support/producer.py"
#: Records the time of each frame that shows a new value.
WATCH = """
  window.painted = {};
  new MutationObserver(() => {
    const shown = document.querySelector('#legend b').textContent, channel = new MessageChannel();
    channel.port1.onmessage = () => { painted[shown] = painted[shown] || performance.timeOrigin + performance.now(); };
    channel.port2.postMessage(0);
  }).observe(document.getElementById('legend'), {childList: true, characterData: true, subtree: true});
"""
#: Draws a day at 20 samples per second, once per second on a clock that advances as fast as the page draws.
DAY = """async () => {
  const start = Date.now(), RealDate = Date;
  let ahead = 0;
  window.Date = class extends RealDate {
    constructor(...values) { super(...(values.length ? values : [start + ahead])); }
    static now() { return start + ahead; }
  };
  for (let second = 0; second < 86400; second += 1) {
    const points = [];
    for (let i = 0; i < 20; i += 1) {
      ahead += 50;
      points.push([start + ahead, 2.5 * (1 + Math.sin((start + ahead) / 500))]);
    }
    theButton.liveChart.addSamples({series: {Value: points}}, false);
    theButton.liveChart.draw(start + ahead);
    if (second % 200 === 0) await new Promise(done => setTimeout(done, 0));
  }
  window.Date = RealDate;
}"""


def endpoint(running):
    return next(found[1] for line in running.log if (found := re.search(r"Feed listens at (\S+)", line)))


def resident(pid):
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def sample_to_pixel(page, publisher):
    page.evaluate(WATCH)
    sent = {}
    for number in range(SAMPLES):
        value = f"{1 + number / 1000:.3f}"
        sent[str(float(value))] = time.time()
        publisher.send(json.dumps({"x": time.time() * 1000, "y": float(value)}).encode())
        time.sleep(SAMPLE_INTERVAL)

    def painted():
        times = page.evaluate("painted")
        return times if len(times) >= SAMPLES * 0.9 else None

    times = until(painted, "pixels")
    latencies = [at / 1000 - sent[value] for value, at in times.items() if value in sent]
    print(spread("sample to pixel", latencies))


def press_latencies(running, seconds):
    """Press for `seconds`.

    Returns the latencies of counts at a WebSocket client in seconds, and the arrival times of samples events.
    """
    received_at, events = {}, []
    client = socketio.Client(reconnection=False)
    client.on("count", lambda count: received_at.setdefault(count["seq"], time.monotonic()))
    client.on("samples", lambda _: events.append(time.monotonic()), namespace="/graph")
    client.connect(running.url, transports=["websocket"], namespaces=["/", "/graph"])
    latencies, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        started_at = time.monotonic()
        seq = running.press()["seq"]
        until(lambda seq=seq: seq in received_at, "the count")
        latencies.append(received_at[seq] - started_at)
        time.sleep(0.1)
    threading.Thread(target=client.disconnect, daemon=True).start()
    return latencies, events


def flood(running):
    idle, _ = press_latencies(running, 6)
    before, seq = resident(running.process.pid), running.count()["seq"]
    command = [sys.executable, PRODUCER, endpoint(running), str(FLOOD_RATE), str(FLOOD_SECONDS)]
    with subprocess.Popen(command) as producer:
        time.sleep(1)
        messages = running.health().json()["feed"]["messages"]
        started_at = time.monotonic()
        flooded, events = press_latencies(running, FLOOD_SECONDS - 4)
        received = running.health().json()["feed"]["messages"] - messages
        rate = received / (time.monotonic() - started_at)
        growth = resident(running.process.pid) - before
        producer.wait()
    assert running.count()["seq"] == seq + len(flooded), "a press was lost"
    ratio = percentile(flooded, 0.5) / percentile(idle, 0.5)
    print(spread("press to count, feed idle", idle))
    print(spread("press to count, feed flooded", flooded))
    print(f"  ratio of medians {ratio:.2f}; {len(flooded)} presses, none lost")
    print(f"  {rate:,.0f} of {FLOOD_RATE:,} messages per second received; memory {growth:+.1f} MB;", end=" ")
    print(f"{len(events) / (events[-1] - events[0]):.1f} samples events per second")


def heap(page, session):
    session.send("HeapProfiler.collectGarbage")
    return page.evaluate("performance.memory.usedJSHeapSize") / 1e6


def draw_a_day(page, session):
    before, started_at = heap(page, session), time.monotonic()
    page.evaluate(DAY)
    after = heap(page, session)
    seconds = time.monotonic() - started_at
    print(f"one day (86,400 drawings, 1,728,000 samples, in {seconds:.0f} s): ", end="")
    print(f"heap {before:.2f} MB, then {after:.2f} MB: {after - before:+.2f} MB")


def main():
    running = server(log="info", api_token="a-token-for-tests")
    with sync_playwright() as playwright, zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking", "--enable-precise-memory-info"],
        )
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.connect(endpoint(running))
        publisher.recv()
        page = browser.new_page()
        page.goto(running.url + "/graph")
        page.wait_for_selector("#status[data-transport=websocket]")
        publisher.send(b'{"y": 0}')
        page.wait_for_selector("#legend b")
        sample_to_pixel(page, publisher)
        page.close()
        flood(running)
        page = browser.new_page()
        page.goto(running.url + "/graph")
        page.wait_for_selector("#status[data-transport=websocket]")
        draw_a_day(page, page.context.new_cdp_session(page))
        with contextlib.suppress(Exception):
            browser.close()
    running.stop()


if __name__ == "__main__":
    main()
