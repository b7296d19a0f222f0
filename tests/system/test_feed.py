"""The feed: what is a sample and what is not, what is kept, and how it comes to the screens."""

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
from feed_messages import BAD
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


def test_a_new_client_hears_at_once_that_there_is_nothing(watch_graph, server):
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


def test_a_new_client_gets_no_sample_twice_while_they_come(watch_graph, publish, server):
    publisher, stop = publish(server), threading.Event()

    def go_on():
        number = 0
        while not stop.wait(0.002):
            publisher.send_json({"x": number, "y": number})
            number += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    for _ in range(10):
        graph = watch_graph(server)
        until(lambda graph=graph: len(graph.events) > 4, "some events")
        got = [y for _, series in graph.events for _, y in series.get("Value", [])]
        assert got == list(range(int(got[0]), int(got[-1]) + 1)) if got else True
    stop.set()
    thread.join()


def test_a_client_of_the_graph_may_send_nothing(watch_graph, server):
    graph = watch_graph(server)
    graph.client.emit("samples", {}, namespace="/graph")
    until(lambda: not graph.client.connected, "the end of it")


def test_whatever_is_malformed_is_counted_and_harms_nothing(watch_graph, publish, server):
    graph, publisher = watch_graph(server), publish(server)
    publisher.send_json({"y": 1})
    until(lambda: graph.values() == [1], "the first")
    sent = [(frames, reason) for frames, reason in BAD if sum(map(len, frames)) < feed.MAX_FRAME_SIZE]
    for frames, _ in sent:
        publisher.send_multipart(frames)
    publisher.send_json({"y": 2})
    until(lambda: graph.values() == [1, 2], "the last")
    reasons = [reason for _, reason in sent]
    assert dropped(server) == {reason: reasons.count(reason) for reason in reasons}
    assert sum("Feed dropped" in line for line in server.log) == 1
    assert 'button_feed_dropped_total{reason="invalid_y"}' in metrics(server)
    assert server.press()["count"] == 19


def metrics(server):
    return requests.get(server.url + "/metrics", timeout=DEADLINE).text


def test_a_megabyte_costs_its_publisher_at_most_the_connection(watch_graph, publish, server):
    graph = watch_graph(server)
    publish(server).send(b"x" * 1_000_000)
    publisher = publish(server)
    publisher.send_json({"y": 7})
    until(lambda: graph.values() == [7], "a value of another")


def test_a_million_frames_in_one_message_hold_nobody_up(watch_graph, publish, server):
    graph, publisher = watch_graph(server), publish(server)
    publisher.send_multipart([b"x"] * 100_000)
    publisher.send_json({"y": 1})
    for _ in range(20):
        server.press()  # answered while the frames are thrown away
    until(lambda: graph.values() == [1], "the next message")
    assert dropped(server) == {"frames": 1}


def test_of_forty_series_the_newest_sixteen_stay(watch_graph, publish, server):
    graph, publisher = watch_graph(server), publish(server)
    for number in range(40):
        publisher.send_json({"y": number, "series": f"S{number}"})
    until(lambda: "S39" in graph.series, "the last")
    assert sorted(watch_graph(server).series) == sorted(f"S{number}" for number in range(24, 40))


def test_a_publisher_may_die_and_return_and_the_server_too(watch_graph, publish, start):
    port = free_port()
    server = start(feed=f"tcp://127.0.0.1:{port}")
    graph = watch_graph(server)
    first = publish(server)
    first.send_json({"y": 1})
    until(lambda: graph.values() == [1], "the first publisher")
    first.close()
    again = publish(server)
    again.send_json({"y": 2})
    until(lambda: graph.values() == [1, 2], "the second publisher")
    server.restart()
    graph = watch_graph(server)

    def arrived():
        again.send_json({"y": 3})
        return graph.values()

    until(arrived, "the publisher that stayed")


def need_ipv6():
    with sockets.socket(sockets.AF_INET6) as one:
        try:
            one.bind(("::1", 0))
        except OSError:
            assert not os.environ.get("CI"), "this machine has no IPv6"
            pytest.skip("this machine has no IPv6")


def test_it_listens_on_ipv6_too(watch_graph, publish, start):
    need_ipv6()
    server = start(feed="tcp://[::1]:*")
    graph = watch_graph(server)
    publish(server).send_json({"y": 1})
    until(lambda: graph.values() == [1], "a value")


def test_the_server_may_connect_to_a_publisher_that_binds(watch_graph, start):
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    server = start(feed=f"connect:{endpoint},tcp://127.0.0.1:*")
    graph = watch_graph(server)
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.bind(endpoint)

        def arrived():
            publisher.send_json({"y": 1})
            return graph.values()

        until(arrived, "a value")


def start_in_vain(start, **settings):
    with pytest.raises(AssertionError) as error:
        start(**settings)
    return str(error.value).splitlines()[-1]


def test_a_named_endpoint_that_is_taken_ends_the_start(start, server):
    line = start_in_vain(start, feed=endpoint_of(server), database="sqlite:///other.db", simulated_pin=None)
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
def test_a_feed_that_is_no_endpoint_is_a_clear_error(start, value):
    assert start_in_vain(start, feed=value).startswith("BUTTON_FEED: expected off, or ZeroMQ endpoints")


def test_the_default_endpoint_in_use_is_only_a_warning(start):
    with zmq.Context() as context, context.socket(zmq.SUB) as other:
        with contextlib.suppress(zmq.ZMQError):  # somebody has it already: as good
            other.bind(feed.DEFAULT_ENDPOINT)
        server = start(feed=None)
        assert server.health().json()["warnings"] == [
            "feed: default endpoint in use by another program, feed disabled"
        ]
        assert server.health().status_code == 200
        assert "5555" not in server.health().text
        assert start_in_vain(
            start, feed=feed.DEFAULT_ENDPOINT, database="sqlite:///other.db", simulated_pin=None
        ).startswith("BUTTON_FEED: tcp://127.0.0.1:5555")


def test_without_a_feed_the_rest_runs(watch_graph, start):
    server = start(feed="off")
    assert watch_graph(server).events[0][1] == {}
    assert server.health().json()["warnings"] == []


def test_a_flood_reaches_the_screens_twenty_times_a_second_and_no_press_is_lost(watch_graph, watch, server):
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
def test_the_demo_publishes_a_sine_over_a_real_socket(watch_graph, start, where):
    """On IPv6, too, and where another program has the default endpoint."""
    if where and "[" in where:
        need_ipv6()
    with zmq.Context() as context, context.socket(zmq.SUB) as other:
        with contextlib.suppress(zmq.ZMQError):  # somebody has it already: as good
            other.bind(feed.DEFAULT_ENDPOINT)
        server = start(arguments=["--demo"], feed=where)
    graph = watch_graph(server)
    until(lambda: len(graph.values()) > 20, "the sine")
    assert all(0 <= y <= 5 for y in graph.values())
    assert len(set(graph.values())) > 10


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_publishers_of_the_document_publish(watch_graph, server, tmp_path, language):
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
        until(lambda: graph.values(series) == [2.5, 2.5], "two values")
        assert abs(graph.series[series][-1][0] / 1000 - time.time()) < 60
    finally:
        running.kill()
        running.wait()
