"""HTTP requests to other servers."""

import contextlib
import socket
import threading

import pytest

from integrations.http_client import RequestFailed, request


@contextlib.contextmanager
def responding(response):
    """A server that responds to one request and closes the connection."""
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
    """`localhost` can have two addresses, with a server on only one of them."""
    resolve = socket.getaddrinfo

    def two_addresses(host, port, *more, **named):
        assert host == "the-pi"
        return resolve("127.0.0.9", port, *more, **named) + resolve("127.0.0.1", port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with responding(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port:
        assert request("GET", f"http://the-pi:{port}/", b"", {}, 5.0, 10)[:2] == (200, b"ok")


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


@pytest.fixture
def proxy_environ(monkeypatch):
    """Return a function that sets proxy variables. All others are unset."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def proxy_environ(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return proxy_environ


def test_http_request_uses_the_proxy(proxy_environ, forward_proxy):
    proxy = forward_proxy(credentials="user:password")
    proxy_environ(HTTP_PROXY=f"http://user:password@127.0.0.1:{proxy.port}", NO_PROXY="elsewhere")
    with responding(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port:
        url = f"http://127.0.0.1:{port}/hook?to=all"
        assert request("POST", url, b"{}", {}, 5.0, 10)[:2] == (200, b"ok")
    assert proxy.requests == [("POST", url)]


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "example.com, 127.0.0.1", "*"])
def test_request_to_a_host_in_no_proxy_is_direct(proxy_environ, no_proxy):
    proxy_environ(http_proxy="http://127.0.0.1:1", no_proxy=no_proxy)
    with responding(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port:
        assert request("GET", f"http://127.0.0.1:{port}/", b"", {}, 5.0, 10).body == b"ok"


def test_https_request_rejected_by_the_proxy_fails_with_its_status(proxy_environ, forward_proxy):
    proxy = forward_proxy(credentials="user:password")
    proxy_environ(HTTPS_PROXY=f"127.0.0.1:{proxy.port}")
    with pytest.raises(RequestFailed, match="the proxy responded with 407"):
        request("GET", "https://127.0.0.1:1/", b"", {}, 5.0)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://", "http://127.0.0.1:port", "http://["])
def test_invalid_proxy_fails_and_is_not_printed(proxy_environ, proxy):
    proxy_environ(HTTPS_PROXY=proxy)
    with pytest.raises(RequestFailed, match=r"^HTTPS_PROXY: expected http://host:port$"):
        request("GET", "https://127.0.0.1:1/", b"", {}, 5.0)
