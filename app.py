"""The Button: wires the parts together, and is the command line."""

from gevent import monkey

monkey.patch_all()

import argparse
import contextlib
import gc
import getpass
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event as Signal

from feed import Feed, FeedError, publish_a_sine
from hardware import (
    Button,
    HardwareError,
    Led,
    SimulatedPin,
    open_led,
    open_pins,
    tap_now_and_then,
    tap_on_enter,
)
from realtime import SHED_WITHIN, Server, bind
from settings import SettingError, Settings, is_url, table
from storage import (
    Accounts,
    Backups,
    Damaged,
    Database,
    DatabaseError,
    Event,
    Kept,
    Spool,
    Store,
    Unavailable,
    newest_copy,
    open_database,
    sqlite_file,
    sqlite_path,
)
from web import LONGEST_PASSWORD, Parts, Remote, Supervisor, Webhook, create_app, security_headers

__version__ = "1.1.0"

log = logging.getLogger("button")

#: Seconds that a busy hub keeps the interpreter to itself: else samples of the pin come late.
SWITCH_INTERVAL = 0.0005
#: The niceness that the process takes if it may: with a kiosk's browser on the same machine, samples of the
#: pin else come up to 80 ms late, and a press may fall into that. To raise the sampler alone is no help: what
#: holds the interpreter must run, too.
NICENESS = -10
#: Seconds that a stop may take, of the five that are promised.
STOP_WITHIN = 4.0
#: Descriptors kept for the database, the pins and the clients that are told to come later.
RESERVED_DESCRIPTORS = 256


class StartError(Exception):
    """The server cannot start; the text is one line that says why and how to mend it."""


def spawn(function: Callable[[], Any]) -> gevent.Greenlet:
    """Start a greenlet without which the program is not whole: its death ends the process."""
    greenlet = gevent.spawn(function)
    greenlet.link_exception(_die)
    return greenlet


def _die(greenlet: gevent.Greenlet) -> None:
    log.critical("%s has died; the process ends, to be started anew", greenlet, exc_info=greenlet.exc_info)
    logging.shutdown()
    os._exit(70)  # EX_SOFTWARE


def run(settings: Settings, open_browser: bool = False, demo: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises what cannot be opened."""
    stopping = _go_first()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pins = open_pins(settings.hardware, settings.pin, settings.simulated_pin)
    light = None if settings.led_pin is None else open_led(settings.hardware, settings.led_pin)
    try:
        listener = bind(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise StartError(f"BUTTON_HOST, BUTTON_PORT: cannot listen on {where}: {error.strerror}") from error
    feed = _feed(settings, demo)
    database = _open_database(settings)
    app = create_app(
        __version__, settings, database, feed, spawn, listener.getsockname()[1], max_clients(settings)
    )
    parts: Parts = app.extensions["button"]
    finger = Finger(parts.store)
    sources = _sources(settings, pins)
    button = Button(sources, finger.pressed, spawn, finger.held, settings.hold)
    parts.status["hardware"] = button.status
    led = _light(light, parts)
    webhook = _webhook(settings, parts)
    _back_up(settings, parts)
    made = parts.accounts.ensure_password(settings.admin_password)
    button.start()
    server = Server(app, listener, spawn, security_headers("localhost"))
    parts.status["connections"] = server.connections
    if made:
        _say(f"Admin password: {made}")
    log.info("Room for %d clients", max_clients(settings))
    log.info("Database %s", sqlite_path(settings.database) or "PostgreSQL")
    _introduce(settings, button, pins)
    if demo:
        _demonstrate(pins, feed)
    _forget_the_start()
    supervisor = Supervisor(os.environ)
    _say(f"Serving on {server.url}")
    supervisor.tell("READY=1")
    spawn(lambda: supervisor.run(lambda: not (button.status()["trouble"] or parts.store.stuck())))
    if open_browser:
        _open_browser(server.url)
    stopping.wait()
    log.info("Stopping")
    supervisor.tell("STOPPING=1")
    end = time.monotonic() + STOP_WITHIN
    server.refuse()
    button.stop()
    if led is not None:
        led.close()
    feed.close()
    parts.store.stop(within=1.0)
    server.close(within=min(SHED_WITHIN, max(0.1, end - time.monotonic())))
    parts.store.close()
    if webhook is not None:
        with gevent.Timeout(max(0.1, end - time.monotonic()), False):
            webhook.close()
    database.close()


def run_button(settings: Settings, url: str) -> None:
    """Send the presses of this machine's button to the server at `url`, until SIGTERM or Ctrl-C."""
    if not is_url(url):
        raise SettingError(
            f"--server: expected the URL of a server, such as http://the-pi:8000, got {url[:80]!r}"
        )
    if settings.api_token is None:
        raise SettingError("BUTTON_API_TOKEN: expected the token of the server")
    if settings.hold:
        log.warning("BUTTON_HOLD is of no use here: only a server can take a press back")
    stopping = _go_first()
    pins = open_pins(settings.hardware, settings.pin, settings.simulated_pin)
    light = None if settings.led_pin is None else open_led(settings.hardware, settings.led_pin)
    remote = Remote(
        url, settings.api_token, Spool(Path(settings.spool or "button-spool.db"), url), told=lambda _: blink()
    )
    button = Button(_sources(settings, pins), remote.press, spawn)

    def state() -> str:
        return "fast" if remote.status()["trouble"] else "slow" if button.status()["stuck"] else "rest"

    led = None if light is None else Led(light, state)

    def blink() -> None:
        log.info("A press has counted")
        if led is not None:
            led.blink(1)

    button.start()
    spawn(remote.run)
    if led is not None:
        spawn(led.run)
    _introduce(settings, button, pins)
    supervisor = Supervisor(os.environ)
    _say(f"Presses go to {url}")
    supervisor.tell("READY=1")
    spawn(lambda: supervisor.run(lambda: not button.status()["trouble"]))
    stopping.wait()
    supervisor.tell("STOPPING=1")
    button.stop()
    if led is not None:
        led.close()


def _go_first() -> Signal:
    """Run before other programs, if that may be; returns what SIGTERM and Ctrl-C set."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    if os.getpriority(os.PRIO_PROCESS, 0) == 0:  # nobody has chosen another
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)  # before there are threads, which inherit it
    stopping = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    return stopping


class Finger:
    """What the button does to the count: a press, and if it is held, its undo."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[str, str | None] = {}  # of the last press of each source

    def pressed(self, source: str) -> None:
        """Record a press."""
        self._keys[source] = self._store.press(source)

    def held(self, source: str) -> None:
        """Take the press back that is still held, once it is on disk; does not block."""
        if key := self._keys.get(source):
            gevent.spawn(self._take_back, source, key)

    def _take_back(self, source: str, key: str) -> None:
        try:
            taken = self._store.take_back(source, key, by="hold")
        except Unavailable as error:
            log.error("The press of %s that is held cannot be taken back: %s", source, error)
        else:
            if taken is None:
                log.info("%s is held, but the count has changed since: its press stays", source)


def _feed(settings: Settings, demo: bool) -> Feed:
    """The feed; of a demonstration one that listens, if need be where nobody else does."""
    feed = Feed(settings.feed)
    if demo and settings.feed is None and not feed.bound:
        feed.close()
        feed = Feed(["tcp://127.0.0.1:*"])
    return feed


def _light(pin: Any, parts: Parts) -> Led | None:
    """The LED on `pin` (None: there is none), at work."""
    if pin is None:
        return None

    def state() -> str:
        ask = parts.status  # not all of them: this is asked several times a second
        if ask["database"]()["trouble"]:
            return "fast"
        return "slow" if ask["hardware"]()["stuck"] or not ask["clients"]()["screens"] else "rest"

    def announced(event: Event) -> None:
        if event.kind in ("press", "undo"):
            led.blink(1 if event.kind == "press" else 2)

    led = Led(pin, state)
    parts.announced.append(announced)
    parts.status["led"] = led.status
    spawn(led.run)
    return led


def _forget_the_start() -> None:
    """Keep what the start has made out of the garbage collector's sight.

    It looks at everything again once there is a quarter more than was there: with 200,000 objects of modules
    among it, it let the cycles of closed connections gather for hours, and then took 30 ms. Without them it
    can look oftener.
    """
    gc.freeze()
    gc.collect()
    gc.set_threshold(700, 10, 2)


def _open_database(settings: Settings) -> Database:
    """The database; of one that is damaged, the error also names the newest backup."""
    try:
        return open_database(settings.database, settings.goal)
    except Damaged as error:
        newest = newest_copy(Path(settings.backups)) if settings.backups else None
        raise DatabaseError(
            f"{error}; the newest: app.py restore {newest}" if newest else str(error)
        ) from error


def _webhook(settings: Settings, parts: Parts) -> Webhook | None:
    """The webhook (None: there is none), at work."""
    if settings.webhook is None:
        return None
    webhook = Webhook(settings.webhook, settings.webhook_secret, parts.database, Kept(parts.database))
    parts.announced.append(webhook.wake)
    parts.status["webhook"] = webhook.status
    spawn(webhook.run)
    return webhook


def _back_up(settings: Settings, parts: Parts) -> None:
    """Copy the database each day, if that is wanted."""
    if settings.backups is None:
        return
    path = sqlite_path(settings.database)
    if path is None:
        log.warning("BUTTON_BACKUPS is of no use here: for PostgreSQL use pg_dump")
        return
    backups = Backups(path, Path(settings.backups))
    parts.status["backups"] = backups.status
    spawn(backups.run)


def _sources(settings: Settings, pins: list[Any]) -> dict[str, Any]:
    """Each pin under the name that its presses carry."""
    if len(pins) == 1:
        return {"button": pins[0]}
    return {f"button-{number}": pin for number, pin in zip(settings.pin, pins, strict=False)}


def _introduce(settings: Settings, button: Button, pins: list[Any]) -> None:
    numbers = ", ".join(map(str, settings.pin))
    log.info("Hardware %s, pin %s", button.status()["driver"], numbers if pins else "none")
    if pins and isinstance(pins[0], SimulatedPin):
        at_terminal = sys.stdin is not None and sys.stdin.isatty()
        fifo = f"0 and then 1 written to {settings.simulated_pin}" if settings.simulated_pin else ""
        ways = [way for way in ("Enter" if at_terminal else "", fifo) if way]
        log.warning("The button is simulated; to press it: %s", ", or ".join(ways) or "there is no way")
        if at_terminal:
            spawn(lambda: tap_on_enter(pins[0].tap))


def _demonstrate(pins: list[Any], feed: Feed) -> None:
    """Press the simulated button now and then, and publish as the original's producer did."""
    spawn(lambda: tap_now_and_then(pins[0].tap))
    if feed.bound:
        spawn(lambda: publish_a_sine(feed.bound[0]))
    else:
        log.warning("The demo publishes no values: the feed does not listen")


def _open_browser(url: str) -> None:
    url = re.sub(r"//(0\.0\.0\.0|\[::\]|127\.0\.0\.1)(?=:\d+$)", "//localhost", url)
    for page in ("/", "/graph"):
        gevent.spawn(webbrowser.open_new, url + page)


def max_clients(settings: Settings) -> int:
    """How many clients there is room for, as descriptors allow: each screen is one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(settings.max_clients, soft - RESERVED_DESCRIPTORS)


def database_path(settings: Settings) -> Path:
    """The path of the SQLite database, for what only that can do."""
    path = sqlite_path(settings.database)
    if path is None:
        raise DatabaseError("BUTTON_DATABASE is PostgreSQL: use pg_dump and pg_restore")
    return path


def _say(line: str) -> None:
    """Tell the operator something whatever the log level."""
    print(line, file=sys.stderr, flush=True)


def set_password(settings: Settings) -> None:
    """Ask for a new admin password, or read it from standard input; ends all sessions."""
    if settings.admin_password is not None:
        raise DatabaseError("The password is set by BUTTON_ADMIN_PASSWORD; change it there")
    password = getpass.getpass("New admin password: ") if sys.stdin.isatty() else _line_of_stdin()
    if not 1 <= len(password) <= LONGEST_PASSWORD:
        raise SettingError(f"password: expected 1 to {LONGEST_PASSWORD} characters")
    Accounts(open_database(settings.database, goal=None)).set_password(password)
    _say("The admin password is changed; all sessions have ended")


def _line_of_stdin() -> str:
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingError("password: expected UTF-8") from None


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    rows = [f"  {name:<24} {default}\n      {meaning}" for name, default, meaning in table()]
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="The Button: press, and every screen in the building knows.",
        epilog="settings, as environment variables (name, default, meaning):\n" + "\n".join(rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--open", action="store_true", help="open / and /graph in the browser")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="publish a sine and press the simulated button, on a temporary database unless one is named",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser(
        "set-password", help="ask for a new admin password (or read a line of standard input)"
    )
    commands.add_parser("backup", help="copy the database, also while the server runs").add_argument(
        "path", type=Path
    )
    commands.add_parser(
        "restore", help="put a backup in place of the database, while no server runs"
    ).add_argument("path", type=Path)
    remote = commands.add_parser(
        "button", help="send the presses of this machine's button to a server elsewhere"
    )
    remote.add_argument("--server", required=True, metavar="URL", help="such as http://the-pi:8000")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = arguments().parse_args(argv)
    environ = dict(os.environ)
    if not options.demo:
        return _main(options, environ)
    environ["BUTTON_HARDWARE"] = "simulated"
    with tempfile.TemporaryDirectory(prefix="button-demo-") as folder:
        environ["BUTTON_DATABASE"] = environ.get("BUTTON_DATABASE") or f"sqlite:///{folder}/button.db"
        return _main(options, environ)


def _main(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        settings = Settings.from_environ(environ)
    except SettingError as error:
        _say(str(error))
        return 2
    logging.basicConfig(
        level=settings.log.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        if options.command == "set-password":
            set_password(settings)
        elif options.command == "button":
            run_button(settings, options.server)
        elif options.command == "backup":
            sqlite_file.backup(database_path(settings), options.path)
            _say(f"{options.path}: written")
        elif options.command == "restore":
            former = sqlite_file.restore(options.path, database_path(settings))
            _say(f"{database_path(settings)}: restored" + (f"; the former one is {former}" if former else ""))
        else:
            run(settings, options.open, options.demo)
    except SettingError as error:
        _say(str(error))
        return 2
    except (StartError, DatabaseError, FeedError, HardwareError, Unavailable) as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
