"""HTTP request bodies, without I/O (RFC 9112, sections 6 and 7.1)."""

import re

from .http_headers import RequestError, RequestHead

#: Maximum bytes of a chunk-size line, including extensions, and of a trailer line.
MAX_LINE_SIZE = 1024
#: Maximum bytes of framing (size lines, trailer) beyond an eighth of the payload. A body of tiny chunks is a
#: hundred times as expensive to decode as its payload in one chunk.
MAX_FRAMING = 16384

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00\r\n]*)?")


class ChunkedDecoder:
    r"""Decodes a chunked body as it arrives.

        decoder = ChunkedDecoder()
        payload = decoder.feed(b"5\r\nhello\r\n0\r\n\r\n")
        assert decoder.complete

    `unused` holds the data after the end of the body.
    """

    def __init__(self) -> None:
        self.complete = False
        self.unused = b""
        self._buffer = b""
        self._left = 0  # bytes of the current chunk still to be received, excluding its CRLF
        self._in_chunk = False  # between a size line and the CRLF after the data
        self._in_trailer = False
        self._framing = self._payload = 0

    def feed(self, data: bytes) -> bytes:
        """Return the payload in `data`. Raises `RequestError` if malformed or mostly framing."""
        data = self._buffer + data
        pieces, at = [], 0
        while not self.complete:
            if self._left:
                piece = data[at : at + self._left]
                if not piece:
                    break
                pieces.append(piece)
                self._left -= len(piece)
                self._payload += len(piece)
                at += len(piece)
                continue
            end = data.find(b"\n", at)
            if end < 0:
                break
            line = data[at:end]
            self._framing += end + 1 - at
            at = end + 1
            self._take_line(line.removesuffix(b"\r"))
        self._buffer = data[at:]
        if self.complete:
            self.unused, self._buffer = self._buffer, b""
        self._check_framing()
        return b"".join(pieces)

    def _take_line(self, line: bytes) -> None:
        if len(line) > MAX_LINE_SIZE:
            raise RequestError("chunked body: line too long")
        if self._in_chunk:
            if line:
                raise RequestError("chunked body: malformed end of a chunk")
            self._in_chunk = False
        elif self._in_trailer:
            self.complete = not line  # trailer fields are ignored
        else:
            found = _SIZE_LINE.fullmatch(line)
            if found is None:
                raise RequestError("chunked body: malformed chunk size")
            self._left = int(found[1], 16)
            self._in_chunk = self._left > 0
            self._in_trailer = not self._in_chunk

    def _check_framing(self) -> None:
        pending = 0 if self._left else len(self._buffer)
        if pending > MAX_LINE_SIZE or self._framing + pending > MAX_FRAMING + self._payload // 8:
            raise RequestError("chunked body: too much framing")


class LengthDecoder:
    """Decoder for a body of known length."""

    def __init__(self, length: int) -> None:
        self.complete = False
        self.unused = b""
        self._left = length

    def feed(self, data: bytes) -> bytes:
        """Return the part of `data` that belongs to the body."""
        payload = data[: self._left]
        self._left -= len(payload)
        self.complete = not self._left
        if self.complete:
            self.unused = data[len(payload) :]
        return payload


def body_decoder(head: RequestHead) -> ChunkedDecoder | LengthDecoder | None:
    """Return a decoder for a request's body, or None if it has no body."""
    if head.chunked:
        return ChunkedDecoder()
    return LengthDecoder(head.content_length) if head.content_length else None
