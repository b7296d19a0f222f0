"""The graph: from a sample to its pixel, and what a flood of messages does to the count."""

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

SAMPLES, APART = 60, 0.1
FLOOD, SECONDS = 20_000, 20
PRODUCER = HERE.parent / "tests/support/producer.py"
#: Takes the time at which a frame was painted that shows a new value; the page draws within a frame.
WATCH = """
  window.painted = {};
  new MutationObserver(() => {
    const shown = document.querySelector('#legend b').textContent, channel = new MessageChannel();
    channel.port1.onmessage = () => { painted[shown] = painted[shown] || performance.timeOrigin + performance.now(); };
    channel.port2.postMessage(0);
  }).observe(document.getElementById('legend'), {childList: true, characterData: true, subtree: true});
"""
#: A day at 20 samples a second on a clock that runs as fast as the page can draw, once a second.
DAY = """async () => {
  const start = Date.now(), RealDate = Date;
  let ahead = 0;
  window.Date = class extends RealDate {
    constructor(...given) { super(...(given.length ? given : [start + ahead])); }
    static now() { return start + ahead; }
  };
  for (let second = 0; second < 86400; second += 1) {
    const points = [];
    for (let i = 0; i < 20; i += 1) {
      ahead += 50;
      points.push([start + ahead, 2.5 * (1 + Math.sin((start + ahead) / 500))]);
    }
    theButton.graph.take({series: {Value: points}}, false);
    theButton.graph.draw(start + ahead);
    if (second % 200 === 0) await new Promise(done => setTimeout(done, 0));
  }
  window.Date = RealDate;
}"""


def endpoint(running):
    return next(found[1] for line in running.log if (found := re.search(r"Feed listens at (\S+)", line)))


def resident(pid):
    """Resident memory of a process, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def sample_to_pixel(page, publisher):
    page.evaluate(WATCH)
    sent = {}
    for number in range(SAMPLES):
        value = f"{1 + number / 1000:.3f}"
        sent[str(float(value))] = time.time()
        publisher.send(json.dumps({"x": time.time() * 1000, "y": float(value)}).encode())
        time.sleep(APART)
    painted = until(lambda: (got := page.evaluate("painted")) and len(got) >= SAMPLES * 0.9 and got, "pixels")
    print(
        spread("sample to pixel", [at / 1000 - sent[value] for value, at in painted.items() if value in sent])
    )


def latencies(running, seconds):
    """Seconds from a press to its count at a WebSocket client, and how often a graph was told."""
    told, events = {}, []
    client = socketio.Client(reconnection=False)
    client.on("count", lambda count: told.setdefault(count["seq"], time.monotonic()))
    client.on("samples", lambda _: events.append(time.monotonic()), namespace="/graph")
    client.connect(running.url, transports=["websocket"], namespaces=["/", "/graph"])
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        seq = running.press()["seq"]
        until(lambda seq=seq: seq in told, "the count")
        taken.append(told[seq] - begun)
        time.sleep(0.1)
    threading.Thread(target=client.disconnect, daemon=True).start()
    return taken, events


def flood(running):
    calm, _ = latencies(running, 6)
    before, seq = resident(running.process.pid), running.count()["seq"]
    command = [sys.executable, PRODUCER, endpoint(running), str(FLOOD), str(SECONDS)]
    with subprocess.Popen(command) as producer:
        time.sleep(1)
        messages = running.health().json()["feed"]["messages"]
        begun = time.monotonic()
        taken, events = latencies(running, SECONDS - 4)
        arrived = running.health().json()["feed"]["messages"] - messages
        passed = time.monotonic() - begun
        grown = resident(running.process.pid) - before
        producer.wait()
    assert running.count()["seq"] == seq + len(taken), "a press was lost"
    print(spread("press to count, calm", calm))
    print(spread("press to count, in the flood", taken))
    print(
        f"  ratio of medians {percentile(taken, 0.5) / percentile(calm, 0.5):.2f}; presses {len(taken)}, none lost"
    )
    print(f"  messages a second taken {arrived / passed:,.0f} of {FLOOD:,}; memory {grown:+.1f} MB;", end=" ")
    print(f"samples events a second {len(events) / (events[-1] - events[0]):.1f}")


def heap(page, session):
    session.send("HeapProfiler.collectGarbage")
    return page.evaluate("performance.memory.usedJSHeapSize") / 1e6


def day(page, session):
    before, begun = heap(page, session), time.monotonic()
    page.evaluate(DAY)
    after = heap(page, session)
    print(
        f"a day's drawing (86,400 drawings, 1,728,000 samples, in {time.monotonic() - begun:.0f} s): ", end=""
    )
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
        day(page, page.context.new_cdp_session(page))
        with contextlib.suppress(Exception):
            browser.close()
    running.stop()


if __name__ == "__main__":
    main()
