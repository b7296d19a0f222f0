"""From the first low sample to the number on a screen in Chromium, with the parts apart."""

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
WATCH = """
  const number = document.getElementById('count');
  window.painted = [];
  new MutationObserver(() => requestAnimationFrame(() => {
    const channel = new MessageChannel();  // a task after the frame: it has been painted
    channel.port1.onmessage = () => painted.push(performance.timeOrigin + performance.now());
    channel.port2.postMessage(0);
  })).observe(number, {childList: true, characterData: true, subtree: true});
"""


def commits(running):
    text = requests.get(running.url + "/metrics", timeout=DEADLINE).text
    return [float(re.search(rf"button_commit_seconds_{name} (\S+)", text)[1]) for name in ("sum", "count")]


def listen(running, told):
    """A bare WebSocket client: takes the time of each count as it arrives."""
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
            told.append((time.time(), float(re.search(r'"at":([\d.]+)', text)[1])))


def poll(running, told):
    """A long-polling client on one kept-alive connection: takes the time of each count as it arrives."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)

    def ask(method, path, body=None):
        connection.request(method, "/socket.io/?EIO=4&transport=polling" + path, body)
        return connection.getresponse().read().decode()

    with contextlib.suppress(OSError, http.client.HTTPException):
        sid = "&sid=" + re.search(r'"sid":"([^"]+)"', ask("GET", ""))[1]
        ask("POST", sid, "40")
        while True:
            text = ask("GET", sid)
            if '"press"' in text:
                told.append(time.time())
            if text == "2":
                ask("POST", sid, "3")


def main():
    running = server(log="warning")
    told, low, polled = [], [], []
    threading.Thread(target=listen, args=(running, told), daemon=True).start()
    threading.Thread(target=poll, args=(running, polled), daemon=True).start()
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
            low.append(time.time())
            running.set_level("0")
            time.sleep(0.05)
            running.set_level("1")
            until(lambda press=press: len(told) > press, "the press")
            time.sleep(0.15 + random.random() * 0.1)
        painted = [at / 1000 for at in page.evaluate("painted")]
        after = commits(running)
        browser.close()
    running.stop()
    commit = (after[0] - before[0]) / (after[1] - before[1])
    print(spread("press to WebSocket client", [got - at for (got, _), at in zip(told, low, strict=True)]))
    print(spread("press to long-polling client", [got - at for got, at in zip(polled, low, strict=True)]))
    print(
        spread("  of it after it was recorded", [got - at for got, (_, at) in zip(polled, told, strict=True)])
    )
    print(spread("press to pixel in Chromium", [at - begun for at, begun in zip(painted, low, strict=True)]))
    print(
        spread("  debounce (low to recorded)", [at - begun for (_, at), begun in zip(told, low, strict=True)])
    )
    print(f"  {'commit (mean)':<32} {commit * 1000:14.2f} ms")
    print(spread("  send (recorded to client)", [got - at for got, at in told]))
    print(spread("  paint (client to frame)", [at - got for at, (got, _) in zip(painted, told, strict=True)]))


if __name__ == "__main__":
    main()
