"""Listeners of WebSockets that are not a session's transport."""

from . import frames, packets
from .frames import FrameError
from .session import Engine, Session
from .websocket import WebSocket


class Upgrade:
    """The listener of a WebSocket while a session is upgraded to it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._probed = False

    def hold(self, size: int) -> bool:
        """Note that partial messages take `size` bytes more; false: that is too much."""
        return self._session.hold(size)

    def attach(self, websocket: WebSocket) -> None:
        """Begin to probe `websocket`, whose listener this is."""
        self._session.probe = websocket

    def message_received(self, message: str | bytes) -> None:
        """Respond to the probe or complete the upgrade; anything else fails it."""
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
        """Return None: queued packets wait for the upgrade."""
        return None

    def write_state_changed(self) -> None:
        """Do nothing: no broadcast is written here."""

    def descriptor_closed(self) -> None:
        """Count one WebSocket less."""
        self._session.engine.open_websockets -= 1


class RejectedUpgrade:
    """The listener of a WebSocket that is accepted only to be closed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def message_received(self, message: str | bytes) -> None:
        """Ignore it."""

    def hold(self, size: int) -> bool:
        """Return true: nothing is kept."""
        return True

    def protocol_failed(self, error: FrameError) -> None:
        """Ignore it."""

    def connection_lost(self) -> None:
        """Do nothing."""

    def next_frame(self) -> bytes | None:
        """Return None."""
        return None

    def write_state_changed(self) -> None:
        """Do nothing."""

    def descriptor_closed(self) -> None:
        """Count one WebSocket less."""
        self._engine.open_websockets -= 1
