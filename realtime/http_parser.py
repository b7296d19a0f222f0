"""Parser for the requests received on a connection, without I/O."""

from .http_body import ChunkedDecoder, LengthDecoder, body_decoder
from .http_headers import MAX_HEAD_SIZE, RequestError, RequestHead, find_head_end

#: Bodies up to this many bytes are received before the application is called.
MAX_BUFFERED_BODY = 65536
#: Bytes of memory per byte of a parsed head.
PARSED_SIZE = 3


class RequestParser:
    r"""Parses one request after another.

        parser = RequestParser()
        parser.buffer += b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"
        if parser.read_head() and parser.read_body():
            serve(parser.head, parser.take_body())
            parser.next()

    `buffer` holds received data that is not parsed yet. `head` is the head of the current request, or None
    while it is incomplete.
    """

    __slots__ = ("_body", "_decoder", "_searched", "buffer", "head")

    def __init__(self) -> None:
        self.buffer = b""
        self.head: RequestHead | None = None
        self._searched = 0  # bytes of the buffer already searched for the end of a head
        self._decoder: ChunkedDecoder | LengthDecoder | None = None  # for an incomplete body
        self._body = b""

    @property
    def is_new(self) -> bool:
        """Whether the buffer has not been searched for the end of a head yet."""
        return not self._searched

    def read_head(self) -> bool:
        """Parse a head from the buffer. Return whether it is complete. Raises `RequestError`."""
        if self.buffer[:1] in b"\r\n":
            self.buffer = self.buffer.lstrip(b"\r\n")  # RFC 9112, section 2.2
        end = find_head_end(self.buffer, self._searched)
        if (end if end >= 0 else len(self.buffer)) > MAX_HEAD_SIZE:
            raise RequestError("request head too large", "431 Request Header Fields Too Large")
        if end < 0:
            self._searched = len(self.buffer)
            return False
        self.head = RequestHead(self.buffer[:end])
        self.buffer = self.buffer[end:]
        self._decoder = body_decoder(self.head)
        return True

    @property
    def target(self) -> str:
        """The target of the current request, even of a malformed one, or an empty string."""
        if self.head is not None:
            return self.head.target
        words = self.buffer[:MAX_HEAD_SIZE].partition(b"\n")[0].split(b" ")
        return words[1].decode("latin-1") if len(words) > 1 else ""

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a 100 before it sends the body (RFC 9110, section 10.1.1)."""
        if self.head is None or self._decoder is None or self.buffer or self.head.version != "HTTP/1.1":
            return False
        return self.head.get("expect").lower() == "100-continue"

    def read_body(self) -> bool:
        """Read a body from the buffer. Return whether the request can be served.

        That is the case when the body is complete, or when it is large and left to `decode`.
        """
        if self._decoder is None or self.head is None:
            return True
        if (self.head.content_length or 0) > MAX_BUFFERED_BODY:
            return True
        self.decode()
        return self._decoder is None or len(self._body) > MAX_BUFFERED_BODY

    def decode(self) -> int:
        """Decode the buffered part of the body and return its size. Raises `RequestError`."""
        assert self._decoder is not None
        payload = self._decoder.feed(self.buffer)
        self._body += payload
        self.buffer = self._decoder.unused
        if self._decoder.complete:
            self._decoder = None
        return len(payload)

    @property
    def body_is_complete(self) -> bool:
        """Whether the whole body was received."""
        return self._decoder is None

    def take_body(self) -> bytes:
        """Return the part of the body that was decoded since the last call."""
        body, self._body = self._body, b""
        return body

    def next(self) -> None:
        """Discard the request. Pipelined data stays in the buffer."""
        self.head, self._decoder, self._body, self._searched = None, None, b"", 0

    def clear(self) -> None:
        """Discard the request and the buffer."""
        self.next()
        self.buffer = b""

    @property
    def size(self) -> int:
        """Memory usage in bytes."""
        head = PARSED_SIZE * self.head.size if self.head is not None else 0
        return len(self.buffer) + len(self._body) + head
