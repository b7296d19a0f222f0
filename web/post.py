"""A POST to another server, which can hold nobody up for longer than it may."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

import gevent

#: Bytes of an answer that are read.
LONGEST_ANSWER = 4096


class NoAnswer(Exception):
    """The other server gave no answer; it may have got the request. The text names no URL."""


def post(url: str, body: bytes, headers: Mapping[str, str], within: float) -> tuple[int, bytes]:
    """POST `body` to `url` (http or https); returns the status and the answer, of at most 4,096 bytes.

    Raises `NoAnswer` if none came in `within` seconds. A redirect is an answer like any other.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=within)
    try:
        with gevent.Timeout(within):
            path = parts.path or "/"
            connection.request("POST", f"{path}?{parts.query}" if parts.query else path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(LONGEST_ANSWER)
    except gevent.Timeout:
        raise NoAnswer(f"no answer in {within:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(getattr(error, "strerror", None) or type(error).__name__) from error
    finally:
        connection.close()
