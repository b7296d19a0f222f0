"""Requests to other servers."""

import contextlib
import socket
import threading

import pytest

from integrations.http_client import RequestFailed, request


@contextlib.contextmanager
def responding(response):
    """A server that responds to one request and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(response)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_every_address_of_a_host_is_tried(monkeypatch):
    """`localhost` may have two addresses and a server on only one of them."""
    resolve = socket.getaddrinfo

    def two_addresses(host, port, *more, **named):
        assert host == "the-pi"
        return resolve("127.0.0.9", port, *more, **named) + resolve("127.0.0.1", port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with responding(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port:
        assert request("GET", f"http://the-pi:{port}/", b"", {}, 5.0, 10) == (200, b"ok")


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\xff\xfe",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
    ],
    ids=range(6),
)
def test_malformed_response_raises_request_failed(response):
    with responding(response) as port, pytest.raises(RequestFailed) as error:
        request("GET", f"http://127.0.0.1:{port}/", b"", {}, 5.0, 100)
    assert str(error.value)
    assert "127.0.0.1" not in str(error.value)
