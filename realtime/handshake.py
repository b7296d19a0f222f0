"""WebSocket opening handshake, without I/O (RFC 6455, section 4.2)."""

import base64
import binascii
import hashlib
import re
from typing import Any

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3


class HandshakeError(Exception):
    """An invalid WebSocket handshake. The message is the body of the 400 response."""


def header_tokens(value: str) -> list[str]:
    """Return the elements of a comma-separated header value, in lower case."""
    return re.split(r"[ \t,]+", value.lower())


def handshake_response(environ: dict[str, Any]) -> bytes:
    """Return the 101 response, which accepts no extensions. Raises `HandshakeError`."""
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    try:
        valid = len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:  # hixie-76 has no such key
        raise HandshakeError("Sec-WebSocket-Key: expected 16 bytes in Base64")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise HandshakeError("Sec-WebSocket-Version: expected 13")
    if "upgrade" not in header_tokens(environ.get("HTTP_CONNECTION", "")):
        raise HandshakeError("Connection: expected Upgrade")
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1" or environ["REQUEST_METHOD"] != "GET":
        raise HandshakeError("expected GET and HTTP/1.1")
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )
