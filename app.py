"""The Button: builds the services, runs them, and is the command line."""

from gevent import monkey

monkey.patch_all()

import argparse
import getpass
import logging
import os
import re
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gevent

from hardware import (
    Button,
    HardwareError,
    Led,
    SimulatedInput,
    open_inputs,
    open_output,
    tap_at_random,
    tap_on_enter,
)
from integrations import Feed, FeedError, RemoteButton, Watchdog, Webhook, log_output, process, publish_sine
from realtime import HTTPServer, RateLimit, bind
from settings import DEFAULT_GOAL, SettingError, Settings, is_url, table, unknown
from storage import (
    PROGRAM,
    Accounts,
    Backups,
    Damaged,
    Database,
    DatabaseError,
    Event,
    KeyValue,
    Spool,
    Store,
    Unavailable,
    check_url,
    import_database,
    newest_copy,
    open_database,
    sqlite_backup,
    sqlite_path,
)
from web import (
    CUSTOM_HORN,
    MAX_PASSWORD_SIZE,
    Context,
    Health,
    Metrics,
    Screens,
    create_app,
    load_horn,
    security_headers,
    urgency,
)

__version__ = PROGRAM

log = logging.getLogger("button")

#: Descriptors kept for the database, the pins, the feed and plain HTTP.
RESERVED_DESCRIPTORS = 256
#: Tracebacks a second in the log.
MAX_TRACEBACKS = 2


class StartError(Exception):
    """The server cannot start. The message says why and how to fix it."""


class Program(NamedTuple):
    """A server that is built and does not run yet."""

    services: process.Services
    server: HTTPServer
    #: Whether the server can still see a press and write it; if not, systemd should restart it.
    is_alive: Callable[[], bool]
    #: What it does, in one line.
    summary: Callable[[], str]
    #: Logs how the button can be pressed.
    log_hardware: Callable[[], None]


def run(settings: Settings, open_browser: bool = False, demo: bool = False) -> None:
    """Serve until SIGTERM or SIGINT. Raises what cannot be opened."""
    max_clients = limit_clients(settings)
    stopping = process.stop_event()
    process.dump_stacks_on_signal()
    program = build(settings, demo, max_clients)
    watchdog = Watchdog(os.environ, program.is_alive, program.summary)
    program.services.add("watchdog", watchdog.tasks())
    program.services.start()
    log.info("Maximum clients: %d", max_clients)
    path = sqlite_path(settings.database)
    log_output.write_line(f"Database: {path.resolve() if path else 'PostgreSQL'}")
    program.log_hardware()
    process.freeze_heap()
    url = _clickable(program.server.url)
    log_output.write_line(f"Countdown {url}/  Graph {url}/graph  Admin {url}/admin")
    log_output.write_line(f"Serving on {program.server.url}")
    watchdog.notify("READY=1")
    if open_browser:
        _open_browser(program.server.url)
    stopping.wait()
    log.info("Stopping")
    watchdog.notify("STOPPING=1")
    program.services.stop()


def build(settings: Settings, demo: bool, max_clients: int) -> Program:
    """Open and connect all services. Raises if one cannot be opened."""
    pins = open_inputs(settings.hardware, settings.pin, settings.simulated_pin)
    output = None if settings.led_pin is None else open_output(settings.hardware, settings.led_pin)
    horn = None if settings.horn is None else _load_horn(settings.horn)
    listener = _listen(settings)
    feed = _open_feed(settings, demo)
    database = _open_database(settings)
    accounts, metrics, health = Accounts(database), Metrics(), Health()
    store = Store(database, metrics.commit.observe, _open_spool(settings, accounts, listener))
    context = Context(__version__, settings, database, store, accounts, health, metrics, feed.samples)
    if horn is not None:
        context.assets[CUSTOM_HORN] = horn
    app, screens = create_app(context, max_clients)
    server = HTTPServer(app, listener, security_headers("localhost"), urgency(context))
    button = Button(_sources(settings, pins), store.press, store.hold, settings.hold)
    store.subscribe(screens.broadcast)
    store.subscribe(_log_event)
    accounts.subscribe(screens.sessions_changed)
    feed.subscribe(screens.broadcast_samples)
    store.subscribe_rewind(server.restart_sessions)

    # In the order in which they stop: nothing new, then what was accepted to disk and to every screen.
    services = process.Services()
    services.add("listener", stop=lambda _: server.stop_accepting())
    services.add("button", button.tasks(), button.stop, critical=True)
    services.add("store", store.tasks(), store.stop, critical=True)
    services.add("server", server.tasks(), server.close, critical=True)
    services.add("screens", screens.tasks())
    services.add("accounts", accounts.tasks())
    services.add("feed", feed.tasks(), feed.stop)
    if output is not None:
        led = Led(output, partial(_led_state, store, button, screens))
        store.subscribe(partial(_blink, led))
        health.register("led", led.status)
        services.add("LED", led.tasks(), led.stop)
    if settings.webhook is not None:
        values = KeyValue(database)
        webhook = Webhook(settings.webhook, settings.webhook_secret, database, values, settings.noun[0])
        store.subscribe(webhook.wake)
        health.register("webhook", webhook.status)
        services.add("webhook", webhook.tasks(), webhook.stop)
    if backups := _open_backups(settings):
        health.register("backups", backups.status)
        services.add("backups", backups.tasks())
    if demo:
        services.add("demonstration", _demonstration(pins, feed))
    services.add("memory", (process.trim_heap,))
    services.add("announcer", stop=lambda _: store.close())
    services.add("database", stop=lambda _: database.close())
    for name, status in (
        ("database", store.status),
        ("feed", feed.status),
        ("clients", screens.status),
        ("hardware", button.status),
        ("connections", server.connections),
        ("services", services.status),
    ):
        health.register(name, status)
    if settings.goal not in (None, store.current.goal):
        log.warning(
            "BUTTON_GOAL=%d has no effect: the goal of this database is %d; set it on the admin page",
            settings.goal, store.current.goal,
        )  # fmt: skip
    if made := accounts.ensure_password(settings.admin_password):
        log_output.write_line(f"Admin password: {made}")
    button.start()
    return Program(
        services,
        server,
        lambda: not (button.status()["trouble"] or store.is_stuck()),
        partial(_summary, store, screens),
        partial(_log_hardware, settings, button, pins),
    )


def run_button(settings: Settings, url: str) -> None:
    """Send the presses of this machine's button to the server at `url` until SIGTERM or SIGINT."""
    if not is_url(url):
        got = "" if "@" in url else f", got {url[:80]!r}"  # it may hold a password
        raise SettingError(f"--server: expected the URL of a server, such as http://the-pi:8000{got}")
    if settings.api_token is None:
        raise SettingError("BUTTON_API_TOKEN: expected the token of the server")
    if settings.hold:
        log.warning("BUTTON_HOLD is ignored: only a server can undo a press")
    stopping = process.stop_event()
    pins = open_inputs(settings.hardware, settings.pin, settings.simulated_pin)
    output = None if settings.led_pin is None else open_output(settings.hardware, settings.led_pin)
    spool = Spool(Path(settings.spool or "button-spool.db"))
    remote = RemoteButton(url, settings.api_token, spool, settings.site)
    remote.subscribe(lambda count: log.info("Press counted: %s of %s to go", count["count"], count["goal"]))
    button = Button(_sources(settings, pins), remote.press)
    services = process.Services()
    services.add("button", button.tasks(), button.stop, critical=True)
    services.add("delivery", remote.tasks(), critical=True)
    if output is not None:
        led = Led(output, partial(_remote_led_state, remote, button))
        remote.subscribe(lambda _: led.blink(1))
        services.add("LED", led.tasks(), led.stop)
    watchdog = Watchdog(
        os.environ,
        lambda: not button.status()["trouble"],
        lambda: str(remote.status()["trouble"] or "All presses are delivered"),
    )
    services.add("watchdog", watchdog.tasks())
    button.start()
    services.start()
    _log_hardware(settings, button, pins)
    log_output.write_line(f"Presses go to {url}")
    watchdog.notify("READY=1")
    stopping.wait()
    watchdog.notify("STOPPING=1")
    services.stop()


def limit_clients(settings: Settings) -> int:
    """Raise the descriptor limit and return the maximum number of clients.

    Raises:
        StartError: There are too few descriptors for any client.
    """
    limit = process.raise_descriptor_limit()
    if limit <= RESERVED_DESCRIPTORS:
        raise StartError(
            f"ulimit -n: expected more than {RESERVED_DESCRIPTORS} descriptors, got {limit}; raise the hard"
            " limit (LimitNOFILE= in systemd)"
        )
    return min(settings.max_clients, limit - RESERVED_DESCRIPTORS)


def _listen(settings: Settings) -> Any:
    try:
        return bind(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise StartError(f"BUTTON_HOST, BUTTON_PORT: cannot listen on {where}: {error.strerror}") from error


def _load_horn(path: str) -> Any:
    try:
        return load_horn(Path(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"BUTTON_HORN: {path!r} cannot be played: {reason}; name another file") from error


def _open_feed(settings: Settings, demo: bool) -> Feed:
    """Return the feed, on a free port if a demo finds the default one taken."""
    feed = Feed(settings.feed)
    if demo and settings.feed is None and not feed.bound:
        feed.stop()
        feed = Feed(["tcp://127.0.0.1:*"])
    return feed


def _open_database(settings: Settings) -> Database:
    """Return the database; if it is damaged, the error names the newest backup."""
    try:
        return open_database(settings.database, settings.goal or DEFAULT_GOAL)
    except Damaged as error:
        newest = newest_copy(Path(settings.backups)) if settings.backups else None
        raise DatabaseError(
            f"{error}; the newest: app.py restore {newest}" if newest else str(error)
        ) from error


def _open_spool(settings: Settings, accounts: Accounts, listener: Any) -> Spool | None:
    if sqlite_path(settings.database):
        return None
    name = settings.spool or f"button-spool-{listener.getsockname()[1]}.db"
    return Spool(Path(name), accounts.identity())


def _open_backups(settings: Settings) -> Backups | None:
    if settings.backups is None:
        return None
    path = sqlite_path(settings.database)
    if path is None:
        log.warning("BUTTON_BACKUPS is ignored: for PostgreSQL use pg_dump")
        return None
    return Backups(path, Path(settings.backups))


def _sources(settings: Settings, pins: list[Any]) -> dict[str, Any]:
    """Return each pin under the source of its presses."""
    site = f"@{settings.site}" if settings.site else ""
    if len(pins) == 1:
        return {f"button{site}": pins[0]}
    return {f"button-{number}{site}": pin for number, pin in zip(settings.pin, pins, strict=False)}


def _log_event(event: Event) -> None:
    log.info(
        "%s by %s: %d of %d to go (seq %d)", event.kind, event.source, event.count, event.goal, event.seq
    )


def _summary(store: Store, screens: Screens) -> str:
    state = store.current
    trouble = store.status()["trouble"]
    return trouble or f"{state.count} of {state.goal} to go, {screens.count()} screens"


def _led_state(store: Store, button: Button, screens: Screens) -> str:
    if store.status()["trouble"]:
        return "fast"
    return "slow" if button.status()["stuck"] or not screens.count() else "rest"


def _remote_led_state(remote: RemoteButton, button: Button) -> str:
    return "fast" if remote.status()["trouble"] else "slow" if button.status()["stuck"] else "rest"


def _blink(led: Led, event: Event) -> None:
    if event.kind in ("press", "undo"):
        led.blink(1 if event.kind == "press" else 2)


def _log_hardware(settings: Settings, button: Button, pins: list[Any]) -> None:
    numbers = ", ".join(map(str, settings.pin))
    log.info("Hardware %s, pin %s", button.status()["driver"], numbers if pins else "none")
    if pins and isinstance(pins[0], SimulatedInput):
        at_terminal = sys.stdin is not None and sys.stdin.isatty()
        fifo = f"write 0 and then 1 to {settings.simulated_pin}" if settings.simulated_pin else ""
        ways = [way for way in ("press Enter" if at_terminal else "", fifo) if way]
        log.warning(
            "The button is simulated; to press it: %s", ", or ".join(ways) or "set BUTTON_SIMULATED_PIN"
        )
        if at_terminal:
            gevent.spawn(tap_on_enter, pins[0].tap)


def _demonstration(pins: list[Any], feed: Feed) -> list[Callable[[], None]]:
    """Return tasks that press the simulated button now and then, and publish a sine."""
    tasks: list[Callable[[], None]] = [partial(tap_at_random, pins[0].tap)]
    if feed.bound:
        tasks.append(partial(publish_sine, feed.bound[0]))
    else:
        log.warning("The demonstration publishes no values: the feed does not listen")
    return tasks


def _clickable(url: str) -> str:
    """Return the URL of a server that this machine's browser opens."""
    return re.sub(r"//(0\.0\.0\.0|\[::\]|127\.0\.0\.1)(?=:\d+$)", "//localhost", url)


def _open_browser(url: str) -> None:
    for page in ("/", "/graph"):
        gevent.spawn(webbrowser.open_new, _clickable(url) + page)


def database_path(settings: Settings) -> Path:
    """Return the path of the SQLite database. Raises `DatabaseError` if it is PostgreSQL."""
    path = sqlite_path(settings.database)
    if path is None:
        raise DatabaseError("BUTTON_DATABASE is PostgreSQL: use pg_dump and pg_restore")
    return path


def set_password(settings: Settings) -> None:
    """Ask for a new admin password, or read it from standard input; end all sessions."""
    if settings.admin_password is not None:
        raise DatabaseError("The password is set by BUTTON_ADMIN_PASSWORD; change it there")
    password = getpass.getpass("New admin password: ") if sys.stdin.isatty() else _read_line()
    if not 1 <= len(password) <= MAX_PASSWORD_SIZE:
        raise SettingError(f"password: expected 1 to {MAX_PASSWORD_SIZE} characters")
    Accounts(open_database(settings.database, goal=None)).set_password(password)
    log_output.write_line("The admin password is changed; all sessions have ended")


def _read_line() -> str:
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingError("password: expected UTF-8") from None


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
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
    commands.add_parser(
        "import", help="copy an SQLite database into the empty database of BUTTON_DATABASE"
    ).add_argument("path", type=Path)
    remote = commands.add_parser(
        "button", help="send the presses of this machine's button to a server elsewhere"
    )
    remote.add_argument("--server", required=True, metavar="URL", help="such as http://the-pi:8000")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = arguments().parse_args(argv)
    environ = dict(os.environ)
    if not options.demo:
        return _main(options, environ)
    environ["BUTTON_HARDWARE"] = "simulated"
    with tempfile.TemporaryDirectory(prefix="button-demo-") as folder:
        if not (environ.get("BUTTON_DATABASE") or environ.get("BUTTON_DATABASE_FILE")):
            environ["BUTTON_DATABASE"] = f"sqlite:///{folder}/button.db"
        return _main(options, environ)


def _main(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        settings = Settings.from_environ(environ)
        try:
            check_url(settings.database)
        except ValueError as error:
            raise SettingError(f"BUTTON_DATABASE: expected {error}") from None
        if options.command in (None, "button"):
            process.set_priority()
        log_output.start(settings.log)
        logging.getLogger().handlers[0].addFilter(
            RateLimit(MAX_TRACEBACKS, applies=lambda record: bool(record.exc_info))
        )
        for warning in unknown(environ):
            log.warning("%s", warning)
        _command(options, settings)
    except SettingError as error:
        log_output.write_line(str(error))
        return 2
    except (StartError, DatabaseError, FeedError, HardwareError, Unavailable) as error:
        log_output.write_line(str(error))
        return 1
    return 0


def _command(options: argparse.Namespace, settings: Settings) -> None:
    if options.command == "set-password":
        set_password(settings)
    elif options.command == "button":
        run_button(settings, options.server)
    elif options.command == "backup":
        sqlite_backup.backup(database_path(settings), options.path)
        log_output.write_line(f"{options.path}: written")
    elif options.command == "restore":
        former = sqlite_backup.restore(options.path, database_path(settings))
        previous = f"; the previous database is {former}" if former else ""
        log_output.write_line(f"{database_path(settings)}: restored{previous}")
    elif options.command == "import":
        number = import_database(
            options.path, lambda: open_database(settings.database, settings.goal or DEFAULT_GOAL)
        )
        log_output.write_line(f"{options.path}: {number} changes imported")
    else:
        run(settings, options.open, options.demo)


if __name__ == "__main__":
    log_output.open_standard_streams()
    # Skip the interpreter's shutdown, which would wait for a thread that is blocked on disk I/O.
    process.exit_now(main())
