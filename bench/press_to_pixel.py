"""Latency from a press to the number in Chromium, by stage."""

import contextlib
import http.client
import random
import re
import threading
import time

import requests
import websocket
from playwright.sync_api import sync_playwright

from bench.rig import DEADLINE, server, spread, until

PRESSES = 60
#: Records the time of each frame that shows a new number.
WATCH = """
  const number = document.getElementById('count');
  window.painted = [];
  new MutationObserver(() => requestAnimationFrame(() => {
    const channel = new MessageChannel();  // its task runs after the frame is painted channel.port1.onmessage
    = () => painted.push(performance.timeOrigin + performance.now()); channel.port2.postMessage(0);
  })).observe(number, {childList: true, characterData: true, subtree: true});
"""


def commits(running):
    """Return the total duration in seconds and the number of commits."""
    text = requests.get(running.url + "/metrics", timeout=DEADLINE).text
    return [float(re.search(rf"button_commit_seconds_{name} (\S+)", text)[1]) for name in ("sum", "count")]


def watch_websocket(running, received):
    """Append the arrival and recording times of presses, using a raw WebSocket client."""
    client = websocket.create_connection(
        running.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", timeout=DEADLINE
    )
    client.recv()
    client.send("40")
    while True:
        try:
            text = client.recv()
        except websocket.WebSocketConnectionClosedException:
            return
        if text == "2":
            client.send("3")
        elif '"count",' in text and '"press"' in text:
            received.append((time.time(), float(re.search(r'"at":([\d.]+)', text)[1])))


def watch_polling(running, received):
    """Append the arrival times of presses, using a long-polling client with keep-alive."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)

    def request(method, path, body=None):
        connection.request(method, "/socket.io/?EIO=4&transport=polling" + path, body)
        return connection.getresponse().read().decode()

    with contextlib.suppress(OSError, http.client.HTTPException):
        sid = "&sid=" + re.search(r'"sid":"([^"]+)"', request("GET", ""))[1]
        request("POST", sid, "40")
        while True:
            text = request("GET", sid)
            if '"press"' in text:
                received.append(time.time())
            if text == "2":
                request("POST", sid, "3")


def main():
    running = server(log="warning")
    received, low_at, polled_at = [], [], []
    threading.Thread(target=watch_websocket, args=(running, received), daemon=True).start()
    threading.Thread(target=watch_polling, args=(running, polled_at), daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking", "--disable-quic"],
        )
        page = browser.new_page()
        page.goto(running.url)
        page.wait_for_selector("#status[data-transport=websocket]")
        page.evaluate(WATCH)
        before = commits(running)
        for press in range(PRESSES):
            low_at.append(time.time())
            running.set_level("0")
            time.sleep(0.05)
            running.set_level("1")
            until(lambda press=press: len(received) > press, "the press")
            time.sleep(0.15 + random.random() * 0.1)
        painted_at = [at / 1000 for at in page.evaluate("painted")]
        after = commits(running)
        browser.close()
    running.stop()
    commit = (after[0] - before[0]) / (after[1] - before[1])
    received_at, recorded_at = zip(*received, strict=True)

    def latency(name, ends, starts):
        print(spread(name, [end - start for end, start in zip(ends, starts, strict=True)]))

    latency("press to WebSocket client", received_at, low_at)
    latency("press to long-polling client", polled_at, low_at)
    latency("  of which after recording", polled_at, recorded_at)
    latency("press to pixel in Chromium", painted_at, low_at)
    latency("  debounce (low to recorded)", recorded_at, low_at)
    print(f"  {'commit (mean)':<32} {commit * 1000:14.2f} ms")
    latency("  send (recorded to client)", received_at, recorded_at)
    latency("  paint (client to frame)", painted_at, received_at)


if __name__ == "__main__":
    main()
