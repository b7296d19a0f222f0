"""Listeners for WebSockets that are not a session's transport."""

from . import frames, packets
from .frames import FrameError
from .session import Engine, Session
from .websocket import WebSocket


class Upgrade:
    """Listener for a WebSocket during an upgrade."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._probed = False

    def reserve(self, size: int) -> bool:
        """Reserve `size` more bytes for partial messages. Return whether they fit."""
        return self._session.reserve(size)

    def attach(self, websocket: WebSocket) -> None:
        """Start probing `websocket`, whose listener is this object."""
        self._session.probe = websocket

    def message_received(self, message: str | bytes) -> None:
        """Respond to the probe or complete the upgrade. Anything else is an error."""
        websocket = self._session.probe
        if websocket is None:
            return
        if message == "2probe" and not self._probed:
            self._probed = True
            websocket.send(packets.PROBE_RESPONSE.frame)
            self._session.engine.probe_received(self._session)
        elif message == "5" and self._probed:
            self._session.complete_upgrade(websocket)
        else:
            raise FrameError(frames.PROTOCOL_ERROR, "unexpected packet in an upgrade")

    def protocol_failed(self, error: FrameError) -> None:
        """Cancel the upgrade."""
        websocket = self._session.probe
        if websocket is not None:
            websocket.send_close(error.code)
            self._session.cancel_upgrade(websocket)

    def connection_lost(self) -> None:
        """Cancel the upgrade."""
        if self._session.probe is not None:
            self._session.cancel_upgrade(self._session.probe)

    def next_frame(self) -> bytes | None:
        """Return None, since queued packets are sent after the upgrade."""
        return None

    def write_state_changed(self) -> None:
        """Do nothing, since broadcasts do not use this WebSocket."""

    def descriptor_closed(self) -> None:
        """Decrement the number of open WebSockets."""
        self._session.engine.open_websockets -= 1


class RejectedUpgrade:
    """Listener for a WebSocket that is accepted only to be closed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def message_received(self, message: str | bytes) -> None:
        """Ignore the message."""

    def reserve(self, size: int) -> bool:
        """Return True, since nothing is stored."""
        return True

    def protocol_failed(self, error: FrameError) -> None:
        """Ignore the error."""

    def connection_lost(self) -> None:
        """Do nothing."""

    def next_frame(self) -> bytes | None:
        """Return None."""
        return None

    def write_state_changed(self) -> None:
        """Do nothing."""

    def descriptor_closed(self) -> None:
        """Decrement the number of open WebSockets."""
        self._engine.open_websockets -= 1
