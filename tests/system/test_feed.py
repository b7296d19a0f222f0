"""Feed messages on their way from publishers to screens."""

import contextlib
import os
import re
import socket as sockets
import subprocess
import sys
import threading
import time

import pytest
import requests
import zmq
from feed_messages import INVALID
from graph import endpoint_of
from server import DEADLINE, ROOT, SUPPORT, TRANSPORTS, until

from integrations import feed
from integrations.samples import MAX_SAMPLES

NOW = 1763760000123.5


def dropped(server):
    return server.health().json()["feed"]["dropped"]


def free_port():
    with sockets.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_new_client_receives_an_empty_event_before_any_sample(watch_graph, server):
    assert watch_graph(server).events[0][1] == {}


@pytest.mark.parametrize("name", TRANSPORTS)
def test_samples_reach_every_screen_once_and_in_order(watch_graph, publish, server, name):
    publisher, early = publish(server), watch_graph(server, name)
    for number in range(250):
        publisher.send_json({"x": number, "y": number})
        if number % 50 == 0:
            until(lambda number=number: number in early.values(), f"sample {number}")
    until(lambda: 249 in early.values(), "the last sample")
    got = [y for _, series in early.events for _, y in series.get("Value", [])]
    assert got == sorted(set(got))
    late = watch_graph(server, name)
    assert late.values() == list(range(150, 250))


def test_new_client_receives_no_sample_twice_during_publishing(watch_graph, publish, server):
    publisher, stop = publish(server), threading.Event()

    def publish_samples():
        number = 0
        while not stop.wait(0.002):
            publisher.send_json({"x": number, "y": number})
            number += 1

    thread = threading.Thread(target=publish_samples)
    thread.start()
    for _ in range(10):
        graph = watch_graph(server)
        until(lambda graph=graph: len(graph.events) > 4, "some events")
        got = [y for _, series in graph.events for _, y in series.get("Value", [])]
        assert got == list(range(int(got[0]), int(got[-1]) + 1)) if got else True
    stop.set()
    thread.join()


def test_graph_client_that_sends_an_event_is_disconnected(watch_graph, server):
    graph = watch_graph(server)
    graph.client.emit("samples", {}, namespace="/graph")
    until(lambda: not graph.client.connected, "the disconnect")


def test_malformed_messages_are_counted_and_dropped(watch_graph, publish, server):
    graph, publisher = watch_graph(server), publish(server)
    publisher.send_json({"y": 1})
    until(lambda: graph.values() == [1], "the first sample")
    sent = [(frames, reason) for frames, reason in INVALID if sum(map(len, frames)) < feed.MAX_FRAME_SIZE]
    for frames, _ in sent:
        publisher.send_multipart(frames)
    publisher.send_json({"y": 2})
    until(lambda: graph.values() == [1, 2], "the last sample")
    reasons = [reason for _, reason in sent]
    assert dropped(server) == {reason: reasons.count(reason) for reason in reasons}
    assert sum("Feed dropped" in line for line in server.log) == 1
    assert 'button_feed_dropped_total{reason="invalid_y"}' in metrics(server)
    assert server.press()["count"] == 19


def metrics(server):
    return requests.get(server.url + "/metrics", timeout=DEADLINE).text


def test_time_in_seconds_is_a_warning_until_it_is_corrected(watch_graph, publish, server):
    publisher, graph = publish(server), watch_graph(server)
    publisher.send_json({"x": 1763760000, "y": 1})
    until(lambda: graph.values() == [1], "the sample")
    assert any("looks like seconds" in warning for warning in server.health().json()["warnings"])
    publisher.send_json({"x": 1763760000123, "y": 2})
    until(lambda: graph.values() == [1, 2], "the corrected sample")
    assert server.health().json()["warnings"] == []


def test_message_of_1_mb_affects_only_its_publisher(watch_graph, publish, server):
    graph = watch_graph(server)
    publish(server).send(b"x" * 1_000_000)
    publisher = publish(server)
    publisher.send_json({"y": 7})
    until(lambda: graph.values() == [7], "a sample of another publisher")


def test_message_of_100_000_frames_does_not_block_presses(watch_graph, publish, server):
    graph, publisher = watch_graph(server), publish(server)
    publisher.send_multipart([b"x"] * 100_000)
    publisher.send_json({"y": 1})
    for _ in range(20):
        server.press()  # returns while the frames are discarded
    until(lambda: graph.values() == [1], "the next message")
    assert dropped(server) == {"frames": 1}


def test_newest_16_of_40_series_are_kept(watch_graph, publish, server):
    graph, publisher = watch_graph(server), publish(server)
    for number in range(40):
        publisher.send_json({"y": number, "series": f"S{number}"})
    until(lambda: "S39" in graph.series, "the last series")
    assert sorted(watch_graph(server).series) == sorted(f"S{number}" for number in range(24, 40))


def test_feed_continues_after_publisher_and_server_restarts(watch_graph, publish, start):
    port = free_port()
    server = start(feed=f"tcp://127.0.0.1:{port}")
    graph = watch_graph(server)
    first = publish(server)
    first.send_json({"y": 1})
    until(lambda: graph.values() == [1], "the sample of the first publisher")
    first.close()
    second = publish(server)
    second.send_json({"y": 2})
    until(lambda: graph.values() == [1, 2], "the sample of the second publisher")
    server.restart()
    graph = watch_graph(server)

    def arrived():
        second.send_json({"y": 3})
        return graph.values()

    until(arrived, "a sample after the restart")


def require_ipv6():
    with sockets.socket(sockets.AF_INET6) as one:
        try:
            one.bind(("::1", 0))
        except OSError:
            assert not os.environ.get("CI"), "this machine has no IPv6"
            pytest.skip("this machine has no IPv6")


def test_feed_listens_on_ipv6(watch_graph, publish, start):
    require_ipv6()
    server = start(feed="tcp://[::1]:*")
    graph = watch_graph(server)
    publish(server).send_json({"y": 1})
    until(lambda: graph.values() == [1], "a sample")


def test_feed_connects_to_a_publisher_that_binds(watch_graph, start):
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    server = start(feed=f"connect:{endpoint},tcp://127.0.0.1:*")
    graph = watch_graph(server)
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.bind(endpoint)

        def arrived():
            publisher.send_json({"y": 1})
            return graph.values()

        until(arrived, "a sample")


def startup_error(start, **settings):
    """Return the last log line of a server that fails to start."""
    with pytest.raises(AssertionError) as error:
        start(**settings)
    return str(error.value).splitlines()[-1]


def test_configured_endpoint_in_use_fails_the_start(start, server):
    line = startup_error(start, feed=endpoint_of(server), database="sqlite:///other.db", simulated_pin=None)
    assert re.match(r"BUTTON_FEED: tcp://127.0.0.1:\d+: Address already in use", line)


@pytest.mark.parametrize(
    "value",
    [
        "tcp://",
        "5555",
        "tcp://127.0.0.1:99999",
        "http://a:1",
        "off,tcp://127.0.0.1:1",
        "tcp://a:1,",
        "inproc://a",
        "connect:tcp://:5555",
        "connect:tcp://127.0.0.1:0",
        "connect:tcp://127.0.0.1:*",
        "connect:tcp://*:5555",
    ],
)
def test_invalid_feed_endpoint_fails_the_start(start, value):
    assert startup_error(start, feed=value).startswith("BUTTON_FEED: expected off, or ZeroMQ endpoints")


def test_default_endpoint_in_use_is_only_a_warning(start):
    with zmq.Context() as context, context.socket(zmq.SUB) as other:
        with contextlib.suppress(zmq.ZMQError):  # already in use, which has the same effect
            other.bind(feed.DEFAULT_ENDPOINT)
        server = start(feed=None)
        assert server.health().json()["warnings"] == [
            "feed: default endpoint in use by another program, feed disabled"
        ]
        assert server.health().status_code == 200
        assert "5555" not in server.health().text
        assert startup_error(
            start, feed=feed.DEFAULT_ENDPOINT, database="sqlite:///other.db", simulated_pin=None
        ).startswith("BUTTON_FEED: tcp://127.0.0.1:5555")


def test_server_runs_without_a_feed(watch_graph, start):
    server = start(feed="off")
    assert watch_graph(server).events[0][1] == {}
    assert server.health().json()["warnings"] == []


def test_flood_is_sent_at_most_20_times_a_second_and_loses_no_press(watch_graph, watch, server):
    graph, screen = watch_graph(server), watch(server)
    flood = subprocess.Popen([sys.executable, SUPPORT / "producer.py", endpoint_of(server), "20000", "3"])
    until(lambda: len(graph.events) > 5, "the flood")
    for _ in range(10):
        server.press()
    flood.wait(DEADLINE)
    assert screen.wait_for(10)["count"] == 10
    assert server.health().json()["feed"]["messages"] > 20_000
    times = [at for at, _ in graph.events[1:]]
    assert len(times) <= 20 * (times[-1] - times[0]) + 2
    assert all(len(samples) <= MAX_SAMPLES for _, event in graph.events for samples in event.values())


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:*", "tcp://[::]:*", None])
def test_demo_publishes_a_sine_over_a_real_socket(watch_graph, start, where):
    """Works with IPv6, and while another program uses the default endpoint."""
    if where and "[" in where:
        require_ipv6()
    with zmq.Context() as context, context.socket(zmq.SUB) as other:
        with contextlib.suppress(zmq.ZMQError):  # already in use, which has the same effect
            other.bind(feed.DEFAULT_ENDPOINT)
        server = start(arguments=["--demo"], feed=where)
    graph = watch_graph(server)
    until(lambda: len(graph.values()) > 20, "the sine")
    assert all(0 <= y <= 5 for y in graph.values())
    assert len(set(graph.values())) > 10


@pytest.mark.parametrize("language", ["python", "js"])
def test_example_publishers_in_the_feed_docs_work(watch_graph, server, tmp_path, language):
    program = re.search(rf"```{language}\n(.*?)```", (ROOT / "docs/feed.md").read_text(), re.S)[1]
    assert len(program.splitlines()) <= 6
    program = program.replace(feed.DEFAULT_ENDPOINT, endpoint_of(server))
    graph = watch_graph(server)
    if language == "python":
        command, series = [sys.executable, "-c", program], "Coffee"
    else:
        command, series = ["node", "-e", program], "Tea"
    running = subprocess.Popen(command, cwd=ROOT)
    try:
        until(lambda: graph.values(series) == [2.5, 2.5], "two samples")
        assert abs(graph.series[series][-1][0] / 1000 - time.time()) < 60
    finally:
        running.kill()
        running.wait()
