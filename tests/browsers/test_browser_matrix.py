"""Every engine behind every proxy: five presses in order, the transport expected, the ring, no script error.

The whole table takes some minutes and is written to docs/browsers.md; `make test` looks at a few cells.
"""

import contextlib
import itertools
import subprocess
import time

import pytest
from firefox import Firefox
from phantomjs import PHANTOM_1, PHANTOM_2, Phantom
from proxy import MODES, Proxy
from server import ROOT, Server, until

NO_WEBSOCKET = "window.WebSocket = undefined;"
#: Takes down every number that the page shows, and every error.
WATCH = """
  window.shown = []; window.failed = [];
  window.addEventListener('error', function (event) { failed.push(event.message); });
  document.addEventListener('DOMContentLoaded', function () {
    var count = document.getElementById('count');
    new MutationObserver(function () { shown.push(count.textContent); })
      .observe(count, { childList: true, characterData: true, subtree: true });
  });
"""
LOOK = """
  var canvas = document.getElementById('ring'), data, i, green = 0;
  var status = document.getElementById('status');
  data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  for (i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200 && data[i + 1] > data[i] + 40 && data[i + 1] > data[i + 2] + 40) { green += 1; }
  }
  return { count: document.getElementById('count').textContent, green: green, horns: theButton.horns,
    state: status.getAttribute('data-state'), transport: status.getAttribute('data-transport') };
"""


class ChromiumPage:
    def __init__(self, url, chromium, init=""):
        self._context = chromium.new_context(viewport={"width": 1280, "height": 720})
        self._page = self._context.new_page()
        self._page.add_init_script(init + WATCH)
        self._page.goto(url)

    def look(self):
        return self._page.evaluate("() => {" + LOOK + "}")

    def numbers(self):
        return self._page.evaluate("shown")

    def errors(self):
        return self._page.evaluate("failed")

    def close(self):
        self._context.close()


class FirefoxPage:
    """Marionette has no script that runs before the page's, so the watch begins once the page is there."""

    def __init__(self, url, firefox):
        self._firefox = firefox
        firefox.open(url)
        watch = WATCH.replace("document.addEventListener('DOMContentLoaded', function () {", "(function () {")
        firefox.evaluate(watch.rstrip().removesuffix("});") + "})();")

    def look(self):
        return self._firefox.evaluate(LOOK)

    def numbers(self):
        return self._firefox.evaluate("return window.wrappedJSObject ? shown : window.shown")

    def errors(self):
        return self._firefox.evaluate("return window.failed")

    def close(self):
        self._firefox.open("about:blank")


class PhantomPage:
    def __init__(self, url, program):
        self._phantom = Phantom(url, program=program)

    def look(self):
        return self._phantom.states[-1] if self._phantom.states else {}

    def numbers(self):
        return [state["count"] for state in self._phantom.states]

    def errors(self):
        return self._phantom.errors

    def close(self):
        self._phantom.close()


@pytest.fixture(scope="module")
def firefox():
    with contextlib.closing(Firefox()) as firefox:
        yield firefox


@pytest.fixture(scope="module")
def opened(chromium, request):
    """Opens a page in an engine, by its name."""

    def opened(engine, url):
        if engine == "Firefox ESR":
            return FirefoxPage(url, request.getfixturevalue("firefox"))
        return {
            "Chromium": lambda: ChromiumPage(url, chromium),
            "Chromium without WebSocket": lambda: ChromiumPage(url, chromium, NO_WEBSOCKET),
            "PhantomJS 2.1.1": lambda: PhantomPage(url, PHANTOM_2),
            "PhantomJS 1.9.8": lambda: PhantomPage(url, PHANTOM_1),
        }[engine]()

    return opened


ENGINES = ["Chromium", "Chromium without WebSocket", "Firefox ESR", "PhantomJS 2.1.1", "PhantomJS 1.9.8"]
ROADS = ["none", *MODES]


def watch_five_presses(server, opened, engine, road):
    """What a page shows of five presses; returns its transport and the seconds until all was right."""
    with contextlib.closing(Proxy(server, road)) if road != "none" else contextlib.nullcontext() as proxy:
        url = proxy.url if proxy else server.url
        modern = "without" not in engine and "1.9.8" not in engine
        transport = "websocket" if modern and road == "none" else "polling"
        begun = time.monotonic()
        with contextlib.closing(opened(engine, url + "/")) as page:

            def is_right(left):
                now = page.look()
                return now.get("state") == "connected" and now["count"] == str(left)

            until(lambda: is_right(20), f"{engine}, {road}: the first count", deadline=10)
            if road == "blackhole" and modern:
                until(lambda: proxy.given_up, "the watchdog", deadline=10)
            until(lambda: page.look().get("transport") == transport, "the transport", deadline=10)
            until(lambda: is_right(20), "the count after it", deadline=10)
            seconds = time.monotonic() - begun
            for left in (19, 18, 17, 16, 15):
                server.press()
                until(lambda left=left: is_right(left), f"{engine}, {road}: {left}", deadline=10)
            until(lambda: page.look()["green"] > 1000, "the ring", deadline=5)
            numbers = [number for number, _ in itertools.groupby(page.numbers()) if number.isdecimal()]
            assert numbers[-5:] == ["19", "18", "17", "16", "15"]
            assert page.errors() == []
            assert page.look()["horns"] == 5
        if proxy:
            assert most_polls(proxy) <= 5, "polls a second"
        return transport, seconds


def most_polls(proxy):
    """Most requests for Socket.IO in a second once the page is there, those of connects and presses aside."""
    times = [at for at, path in proxy.requests if "sid=" in path]
    return max((sum(at <= other < at + 5 for other in times) / 5 for at in times), default=0)


@pytest.mark.parametrize(
    ("engine", "road"),
    [
        ("PhantomJS 2.1.1", "none"),
        ("PhantomJS 1.9.8", "http/1.0"),
    ],
)
def test_a_smoke_of_old_engines_and_bad_roads(server, opened, engine, road):
    _, seconds = watch_five_presses(server, opened, engine, road)
    assert seconds < 10


def versions():
    chromium = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout
    firefox = subprocess.run(["firefox-esr", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "Chromium": f"Debian's {chromium.split(' built')[0].strip()}",
        "Chromium without WebSocket": "the same, with `window.WebSocket` taken away",
        "Firefox ESR": f"Debian's {firefox.strip()}",
        "PhantomJS 2.1.1": "QtWebKit of 2015",
        "PhantomJS 1.9.8": "QtWebKit of 2011, whose WebSocket is that of a draft (hixie-76)",
    }


@pytest.mark.slow
def test_every_engine_is_right_behind_every_proxy(tmp_path, opened):
    cells, wrong = {}, []
    for engine in ENGINES:
        for road in ROADS:
            folder = tmp_path / f"{len(cells)}"
            folder.mkdir()
            server = Server(folder, feed="off")
            try:
                transport, seconds = watch_five_presses(server, opened, engine, road)
                cells[engine, road] = f"{transport}, {seconds:.0f} s"
            except AssertionError as error:
                cells[engine, road] = "WRONG"
                wrong.append(f"{engine}, {road}: {error}")
            finally:
                server.stop()
    assert wrong == []
    write(cells)


def write(cells):
    """docs/browsers.md, from the cells that were just seen to be right."""
    known = versions()
    rows = [f"| {engine} | " + " | ".join(cells[engine, road] for road in ROADS) + " |" for engine in ENGINES]
    table = "\n".join([
        "| | " + " | ".join("no proxy" if road == "none" else road for road in ROADS) + " |",
        "| --- " * (len(ROADS) + 1) + "|",
        *rows,
    ])  # fmt: skip
    before = (ROOT / "docs/browsers.md").read_text().split("<!-- table -->")[0]
    text = [before + "<!-- table -->", "", table, "", "| engine | |", "| --- | --- |"]
    text += [f"| {engine} | {known[engine]} |" for engine in ENGINES]
    text += ["", "| proxy | |", "| --- | --- |"]
    text += [f"| {mode} | {what} |" for mode, what in MODES.items()]
    (ROOT / "docs/browsers.md").write_text("\n".join(text) + "\n")
