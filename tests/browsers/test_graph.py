"""The live chart with the original producer, and the press charts."""

import json
import re
import subprocess
import sys
import time

import pytest
from chromium import connected, shows
from graph import endpoint_of
from phantomjs import Phantom
from playwright.sync_api import expect
from server import SUPPORT, until

POLLING = "window.WebSocket = undefined;"
PIXELS = """([id, red, green, blue]) => {
  const canvas = document.getElementById(id);
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let number = 0;
  for (let i = 0; i < data.length; i += 4) {
    const away = Math.abs(data[i] - red) + Math.abs(data[i + 1] - green) + Math.abs(data[i + 2] - blue);
    if (data[i + 3] > 200 && away < 40) number += 1;
  }
  return number;
}"""
BLUE, GREEN, CURRENT = (0x1D, 0x55, 0xDD), (0x12, 0x80, 0x3C), (0x14, 0x3C, 0x9F)


@pytest.fixture
def produce():
    """Function that starts the original producer. It is killed after the test."""
    running = []

    def produce(server):
        command = [sys.executable, SUPPORT / "producer.py", endpoint_of(server)]
        running.append(subprocess.Popen(command))

    yield produce
    for process in running:
        process.kill()
        process.wait()


def drawn(page, colour, canvas="graph"):
    return page.evaluate(PIXELS, [canvas, *colour])


def legend(page):
    return page.locator("#legend li").all_text_contents()


@pytest.mark.parametrize(("transport", "init"), [("websocket", ""), ("polling", POLLING)])
def test_original_producer_drives_the_page(open_page, produce, server, transport, init):
    page = connected(open_page(server, "/graph", init=init))
    expect(page.locator("#status")).to_have_attribute("data-transport", transport)
    expect(page.locator("#status")).to_have_text(f"Connected: {transport}")
    assert drawn(page, BLUE) == 0
    produce(server)
    until(lambda: drawn(page, BLUE) > 1000, "the line")
    first = legend(page)
    assert re.fullmatch(r"●Value\d(\.\d+)?", first[0])
    until(lambda: legend(page) != first, "the next value")
    until(lambda: "Live values: Value" in page.get_attribute("#graph", "aria-label"), "the label")


def test_engine_from_2011_draws_the_graph(produce, server):
    produce(server)
    server.press()
    phantom = Phantom(server.url + "/graph")
    try:
        phantom.shows(count="19", transport="polling", blue=lambda number: number > 1000)
        server.press()
        phantom.shows(count="18", words="Connected: polling")
        assert phantom.errors == []
    finally:
        phantom.close()


def test_series_names_are_drawn_as_text_and_values_unchanged(open_page, publish, server):
    publisher, page = publish(server), connected(open_page(server, "/graph"))
    for name in ("<img src=x onerror=alert(1)>", "__proto__", "constructor", "b\u202e"):
        publisher.send_json({"y": 1e308, "series": name})
        publisher.send_json({"y": -1e308, "series": name})
        publisher.send_json({"y": 0.000012345, "series": name})
    until(lambda: len(legend(page)) == 4, "the names")
    until(lambda: all(text.endswith("1.23e-5") for text in legend(page)), "the values")
    assert legend(page)[0] == "●<img src=x onerror=alert(1)>1.23e-5"
    assert page.locator("#legend img").count() == 0


def test_page_shows_the_series_stored_by_the_server(open_page, publish, server):
    publisher, page = publish(server), connected(open_page(server, "/graph"))
    for number in range(40):
        publisher.send_json({"y": number, "series": f"S{number}"})
    until(lambda: any("S39" in text for text in legend(page)), "the last series")
    assert len(legend(page)) == 16
    page.reload()
    until(lambda: len(legend(page)) == 16, "the series after the reload")
    marks = [text[0] + colour for text, colour in zip(legend(page), colours(page), strict=True)]
    assert len(set(marks)) == 16, "no two series look the same"


def colours(page):
    until(lambda: page.locator("#legend i").last.get_attribute("style"), "the colours")
    return page.locator("#legend i").evaluate_all("all => all.map(each => each.style.color)")


def test_legend_shows_the_value_under_the_mouse(open_page, publish, server):
    publisher, page = publish(server), connected(open_page(server, "/graph"))
    for second in range(11):
        publisher.send_json({"x": 1763760000000 + second * 1000, "y": second % 5})
    until(lambda: legend(page) == ["●Value0"], "the newest value")
    box = page.locator("#graph").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    until(lambda: legend(page) != ["●Value0"], "an older value")
    page.mouse.move(1, 1)
    until(lambda: legend(page) == ["●Value0"], "the newest value again")


def test_hidden_page_draws_nothing(open_page, produce, server):
    page = connected(open_page(server, "/graph"))
    produce(server)
    until(lambda: drawn(page, BLUE) > 1000, "the line")
    page.evaluate("""() => {
      Object.defineProperty(document, 'hidden', {get: () => window.away === true, configurable: true});
      window.away = true;
      document.dispatchEvent(new Event('visibilitychange'));
    }""")
    page.wait_for_timeout(150)  # for a pending redraw
    before = legend(page)
    page.wait_for_timeout(400)
    assert legend(page) == before
    page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
    until(lambda: legend(page) != before, "a redraw")


@pytest.mark.slow
def test_graph_is_redrawn_at_most_every_50_ms(open_page, produce, server):
    counting = """
      const clear = CanvasRenderingContext2D.prototype.clearRect;
      window.drawings = [];
      CanvasRenderingContext2D.prototype.clearRect = function (...where) {
        if (this.canvas.id === 'graph') drawings.push(performance.now());
        return clear.apply(this, where);
      };
    """
    page = connected(open_page(server, "/graph", init=counting))
    produce(server)
    until(lambda: drawn(page, BLUE) > 1000, "the line")
    times = page.evaluate("drawings.splice(0), new Promise(done => setTimeout(() => done(drawings), 2000))")
    assert 10 < len(times) <= 42


def sums(page):
    return page.text_content("#round-sum"), page.text_content("#today-sum")


@pytest.mark.parametrize("init", ["", pytest.param(POLLING, marks=pytest.mark.slow)])
def test_press_charts_are_live_and_survive_a_restart(open_page, server, init):
    for _ in range(3):
        server.press()
    page = connected(open_page(server, "/graph", init=init))
    until(lambda: sums(page) == ("3 of 20", "3 deals"), "the earlier presses")
    until(lambda: drawn(page, GREEN, "round") > 100, "the line")
    server.press()
    until(lambda: sums(page) == ("4 of 20", "4 deals"), "the press")
    server.api("undo")
    until(lambda: sums(page) == ("3 of 20", "3 deals"), "the undo")
    server.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", "closed")
    server.restart()
    connected(page)
    server.press()
    until(lambda: sums(page) == ("4 of 20", "4 deals"), "the press after the restart")
    shows(page, 16)
    assert "Today: 4; 4 from " in page.get_attribute("#today", "aria-label")


def test_opening_press_and_reset_start_a_round(open_page, start):
    server = start(goal=3)
    page = connected(open_page(server, "/graph"))
    for _ in range(5):
        server.press()
    until(lambda: sums(page) == ("1 of 3", "4 deals"), "the second round")
    until(lambda: page.get_attribute("#round", "aria-label") == "This round: 1 of 3 made", "the label")
    server.api("reset")
    until(lambda: page.get_attribute("#round", "aria-label") == "This round: 0 of 3 made", "the reset")


@pytest.mark.slow
def test_long_history_is_read_in_pages(open_page, start):
    server = start(goal=1000)
    for _ in range(1100):
        server.press()
    page = connected(open_page(server, "/graph"))
    until(lambda: sums(page) == ("99 of 1000", "1099 deals"), "all presses")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 720), (1920, 1080), (320, 568)])
def test_charts_fit_the_screen(open_page, produce, server, width, height):
    produce(server)
    page = connected(open_page(server, "/graph", viewport={"width": width, "height": height}))
    until(lambda: drawn(page, BLUE) > 300, "the line")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width > height:
        assert page.evaluate("document.documentElement.scrollHeight") <= height


def test_page_without_javascript_shows_a_table(chromium, publish, server):
    publish(server).send_json({"y": 2.5, "series": "<i>Tea</i>"})
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()

    def table():
        page.goto(server.url + "/graph")
        return page.locator("noscript td").all_text_contents()

    until(lambda: table() == ["<i>Tea</i>", "2.5"], "the value")
    assert page.locator('noscript meta[http-equiv="refresh"]').count() == 1
    context.close()


def test_new_page_draws_earlier_samples(open_page, publish, server):
    publisher = publish(server)
    for number in range(150):
        publisher.send(json.dumps({"x": 1763760000000 + number, "y": number}).encode())
    page = connected(open_page(server, "/graph"))
    until(lambda: legend(page) == ["●Value149"], "the newest value")
    page.wait_for_timeout(2500)
    assert drawn(page, BLUE) > 300, "a short line stays in view if no sample follows"


@pytest.mark.slow
@pytest.mark.parametrize("away", [15, -1e6])
def test_publisher_with_a_wrong_clock_hides_no_other_series(open_page, publish, produce, server, away):
    """`x` is never compared with the clock of the page or the server."""
    page = connected(open_page(server, "/graph"))
    produce(server)
    until(lambda: drawn(page, BLUE) > 1000, "the line")
    publisher = publish(server)

    def both():
        publisher.send_json({"x": (time.time() + away) * 1000, "y": 4, "series": "Other"})
        page.wait_for_timeout(100)
        return drawn(page, BLUE) > 800 and drawn(page, GREEN) > 300 and " behind)" in "".join(legend(page))

    until(both, "both lines")


def test_page_with_a_long_legend_fits_the_screen(open_page, publish, server):
    page = connected(open_page(server, "/graph", viewport={"width": 1100, "height": 700}))
    publisher = publish(server)
    for number in range(16):
        publisher.send_json({"y": number + 0.123456, "series": f"A series of some length {number}"})
    until(
        lambda: len(legend(page)) == 16 and all(re.search(r"\d$", row) for row in legend(page)), "the legend"
    )
    fits = "document.documentElement.scrollHeight <= innerHeight"
    until(lambda: page.evaluate(fits), "the layout")
    page.set_viewport_size({"width": 500, "height": 400})
    page.set_viewport_size({"width": 1100, "height": 700})
    for number in range(16):
        publisher.send_json({"y": number - 1000.123456, "series": f"A series of some length {number}"})
    until(lambda: all("-" in row for row in legend(page)), "the new values")
    until(lambda: page.evaluate(fits), "the layout after the resize")


def test_pause_of_a_series_is_a_gap(open_page, publish, server):
    publisher, page = publish(server), connected(open_page(server, "/graph", reduced_motion="reduce"))
    for second in (*range(8), *range(28, 36)):
        publisher.send_json({"x": 1763760000000 + second * 1000, "y": 4})
    until(lambda: legend(page) == ["●Value4"], "the value")
    until(lambda: drawn(page, BLUE) > 300, "the line")
    filled = """() => {  // for each of 19 columns, whether it contains blue
      const canvas = document.getElementById('graph'), ctx = canvas.getContext('2d');
      const columns = [];
      for (let part = 1; part < 20; part += 1) {
        const data = ctx.getImageData(canvas.width * part / 20, 0, 1, canvas.height).data;
        let blue = 0;
        for (let i = 0; i < data.length; i += 4) blue += data[i + 2] > data[i] + 100 && data[i + 3] > 200;
        columns.push(blue > 0);
      }
      return columns;
    }"""
    columns = page.evaluate(filled)
    assert columns[2] and columns[-2], columns
    assert not any(columns[7:12]), columns


def test_stalled_series_shows_its_age(open_page, publish, server):
    publisher, page = publish(server), open_page(server, "/graph")
    page.clock.install()
    connected(page)
    publisher.send_json({"y": 2})
    until(lambda: legend(page) == ["●Value2"], "the value")
    page.clock.run_for(16_000)
    until(lambda: re.fullmatch(r"●Value2 · 1[5-9] s ago", legend(page)[0]), "the age")


def test_small_values_fill_the_axis(open_page, publish, server):
    publisher, page = publish(server), connected(open_page(server, "/graph", reduced_motion="reduce"))
    for second in range(8):
        publisher.send_json({"x": 1763760000000 + second * 1000, "y": 0.004})
    until(lambda: legend(page) == ["●Value0.004"], "the value")
    top = """() => {
      const canvas = document.getElementById('graph'), width = canvas.width;
      const data = canvas.getContext('2d').getImageData(0, 0, width, canvas.height).data;
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 2] > data[i] + 100 && data[i + 3] > 200) return i / 4 / width / canvas.height;
      }
      return 1;
    }"""
    until(lambda: page.evaluate(top) < 0.5, "a line in the upper half")


def test_empty_graph_shows_an_example_until_the_first_value(open_page, publish, server):
    page = connected(open_page(server, "/graph"))
    example = page.locator("#example")
    expect(example).to_be_visible()
    assert len(example.text_content().splitlines()) == 4
    height = page.locator("#round").bounding_box()["height"]
    publish(server).send_json({"y": 2})
    expect(example).to_be_hidden()
    until(lambda: page.locator("#round").bounding_box()["height"] < height, "the layout")
    expect(page.locator("#waiting")).to_have_class("unseen")
    page.reload()
    expect(page.locator("#waiting")).to_have_class("unseen")
    expect(example).to_be_hidden()


@pytest.mark.slow
def test_reconnect_reads_the_rounds_once_and_no_history(open_page, server):
    for _ in range(30):
        server.press()
    page = connected(open_page(server, "/graph"))
    until(lambda: "deals" in page.text_content("#today-sum"), "the presses")
    before = page.text_content("#today-sum")
    paths = []
    page.on("request", lambda request: paths.append(request.url.partition("/api/")[2]))
    server.restart()
    connected(page)
    until(lambda: "rounds" in paths, "the rounds")
    server.press()
    until(lambda: page.text_content("#today-sum") not in ("", before), "the new press")
    assert paths.count("rounds") <= 2
    assert not [path for path in paths if path.startswith("history")]


def test_past_rounds_are_live(open_page, start):
    server = start(goal=2, noun="sign-up")
    page = connected(open_page(server, "/graph"))
    sentence = page.locator("#no-rounds")
    expect(sentence).to_have_text("Each completed round of 2 sign-ups will appear here.")
    assert page.get_attribute("#past", "aria-label") == "Past rounds: none yet"
    server.press()
    server.press()
    until(lambda: page.text_content("#past-sum").startswith("fastest "), "the round")
    expect(sentence).to_have_class("unseen")
    assert drawn(page, CURRENT, "past") > 10, "the fastest round"
    server.api("undo")
    until(lambda: page.text_content("#past-sum") == "", "the undo")
    expect(sentence).to_have_class("")
    for _ in range(4):
        server.press()
    until(lambda: "Past rounds: 2, fastest" in page.get_attribute("#past", "aria-label"), "both rounds")
    page.reload()
    until(lambda: "Past rounds: 2, fastest" in page.get_attribute("#past", "aria-label"), "them again")


def test_page_without_javascript_shows_past_rounds(chromium, start):
    server = start(goal=2)
    for _ in range(2):
        server.press()
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()

    def cells():
        page.goto(server.url + "/graph")
        return page.locator("noscript table").nth(1).locator("td").all_text_contents()

    until(lambda: len(cells()) == 2, "the round")
    assert re.fullmatch(r"0:00:\d\d \(fastest\)", cells()[1])
    context.close()


#: Script that records the texts in the last redraw of the live chart.
TEXTS = """
  const prototype = CanvasRenderingContext2D.prototype, {clearRect, fillText} = prototype;
  prototype.clearRect = function (...where) {
    if (this.canvas.id === 'graph') window.texts = [];
    return clearRect.apply(this, where);
  };
  prototype.fillText = function (text, ...where) {
    if (this.canvas.id === 'graph') window.texts.push(String(text));
    return fillText.call(this, text, ...where);
  };
"""


def seconds_on_the_axis(page):
    """Return the seconds between the first and last labels of the time axis."""
    found = [re.fullmatch(r"(\d\d):(\d\d):(\d\d)(\.\d+)?", text) for text in page.evaluate("texts")]
    times = [int(m[1]) * 3600 + int(m[2]) * 60 + int(m[3]) + float(m[4] or 0) for m in found if m]
    return times[-1] - times[0] if times else 0


@pytest.mark.slow
def test_fast_feed_shows_ten_seconds(open_page, server):
    page = connected(open_page(server, "/graph", init=TEXTS))
    command = [sys.executable, SUPPORT / "producer.py", endpoint_of(server), "200", "15"]
    with subprocess.Popen(command):
        until(lambda: seconds_on_the_axis(page) >= 8, "ten seconds")
        page.wait_for_timeout(3000)  # until older samples have left the chart
        assert 8 <= seconds_on_the_axis(page) <= 10
        page.reload()
        until(lambda: seconds_on_the_axis(page) > 0.5, "more than the hundred samples sent on connect")
