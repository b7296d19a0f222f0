"""Every browser engine behind every proxy.

Each cell checks the order of five presses, the transport, the ring, and script errors. The slow test checks
all cells, which takes a few minutes, and writes the table to docs/browsers.md. `make test` checks two cells.
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
#: Script that records each number that the page shows, and each error.
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
    """A page in Firefox.

    Recording starts after the page has loaded, since Marionette cannot run a script earlier.
    """

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
    """A function that opens a page in the named engine."""

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
PROXIES = ["none", *MODES]


def watch_five_presses(server, opened, engine, mode):
    """Check five presses and return the transport and the startup time in seconds."""
    with contextlib.closing(Proxy(server, mode)) if mode != "none" else contextlib.nullcontext() as proxy:
        url = proxy.url if proxy else server.url
        modern = "without" not in engine and "1.9.8" not in engine
        transport = "websocket" if modern and mode == "none" else "polling"
        started = time.monotonic()
        with contextlib.closing(opened(engine, url + "/")) as page:

            def shows(left):
                state = page.look()
                return state.get("state") == "connected" and state["count"] == str(left)

            until(lambda: shows(20), f"{engine}, {mode}: the first count", deadline=10)
            if mode == "blackhole" and modern:
                until(lambda: proxy.cancelled_upgrades, "the upgrade to be cancelled", deadline=10)
            until(lambda: page.look().get("transport") == transport, "the transport", deadline=10)
            until(lambda: shows(20), "the count on that transport", deadline=10)
            seconds = time.monotonic() - started
            for left in (19, 18, 17, 16, 15):
                server.press()
                until(lambda left=left: shows(left), f"{engine}, {mode}: {left}", deadline=10)
            until(lambda: page.look()["green"] > 1000, "the ring", deadline=5)
            numbers = [number for number, _ in itertools.groupby(page.numbers()) if number.isdecimal()]
            assert numbers[-5:] == ["19", "18", "17", "16", "15"]
            assert page.errors() == []
            assert page.look()["horns"] == 5
        if proxy:
            assert peak_polls(proxy) <= 5, "polls per second"
        return transport, seconds


def peak_polls(proxy):
    """Return the peak number of session requests per second, averaged over 5 s."""
    times = [at for at, path in proxy.requests if "sid=" in path]
    return max((sum(at <= other < at + 5 for other in times) / 5 for at in times), default=0)


@pytest.mark.parametrize(
    ("engine", "mode"),
    [
        ("PhantomJS 2.1.1", "none"),
        ("PhantomJS 1.9.8", "http/1.0"),
    ],
)
def test_old_engines_show_five_presses(server, opened, engine, mode):
    _, seconds = watch_five_presses(server, opened, engine, mode)
    assert seconds < 10


def versions():
    chromium = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout
    firefox = subprocess.run(["firefox-esr", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "Chromium": f"Debian's {chromium.split(' built')[0].strip()}",
        "Chromium without WebSocket": "the same, with `window.WebSocket` removed",
        "Firefox ESR": f"Debian's {firefox.strip()}",
        "PhantomJS 2.1.1": "QtWebKit from 2015",
        "PhantomJS 1.9.8": "QtWebKit from 2011, whose WebSocket is a draft (hixie-76)",
    }


@pytest.mark.slow
def test_every_engine_works_behind_every_proxy(tmp_path, opened):
    cells, wrong = {}, []
    for engine in ENGINES:
        for mode in PROXIES:
            folder = tmp_path / f"{len(cells)}"
            folder.mkdir()
            server = Server(folder, feed="off")
            try:
                transport, seconds = watch_five_presses(server, opened, engine, mode)
                cells[engine, mode] = f"{transport}, {seconds:.0f} s"
            except AssertionError as error:
                cells[engine, mode] = "WRONG"
                wrong.append(f"{engine}, {mode}: {error}")
            finally:
                server.stop()
    assert wrong == []
    write(cells)


def write(cells):
    """Write `cells` as a table to docs/browsers.md."""
    descriptions = versions()
    rows = [
        f"| {engine} | " + " | ".join(cells[engine, mode] for mode in PROXIES) + " |" for engine in ENGINES
    ]
    table = "\n".join([
        "| | " + " | ".join("no proxy" if mode == "none" else mode for mode in PROXIES) + " |",
        "| --- " * (len(PROXIES) + 1) + "|",
        *rows,
    ])  # fmt: skip
    before = (ROOT / "docs/browsers.md").read_text().split("<!-- table -->")[0]
    text = [before + "<!-- table -->", "", table, "", "| engine | |", "| --- | --- |"]
    text += [f"| {engine} | {descriptions[engine]} |" for engine in ENGINES]
    text += ["", "| proxy | |", "| --- | --- |"]
    text += [f"| {mode} | {description} |" for mode, description in MODES.items()]
    (ROOT / "docs/browsers.md").write_text("\n".join(text) + "\n")
