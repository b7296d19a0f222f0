"""Command line of The Button, which builds and runs the services."""

from gevent import monkey

monkey.patch_all()

import argparse
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import hardware
import integrations
import realtime
import storage
import web
from integrations import command_line, log_output, process, terminal
from integrations.program import Program, run
from settings import DEFAULT_GOAL, SettingError, Settings, is_url, table, unknown

log = logging.getLogger("button")

Task = Callable[[], None]

#: Maximum number of tracebacks logged per second.
MAX_TRACEBACKS = 2

#: Errors that prevent the program from starting. Each message is one line.
START_ERRORS = (
    hardware.HardwareError,
    integrations.FeedError,
    process.StartError,
    storage.DatabaseError,
    storage.Unavailable,
    web.HornError,
)


def build_server(settings: Settings, demo: bool) -> Program:
    """Open and connect the services of a server. Raises one of `START_ERRORS`."""
    max_clients = process.limit_clients(settings.max_clients)
    pins = hardware.open_inputs(settings.hardware, settings.pin, settings.simulated_pin, settings.site)
    output = hardware.open_output(settings.hardware, settings.led_pin)
    listeners = _listen(settings)
    feed = integrations.Feed(settings.feed, any_port=demo)
    services = process.Services()
    context = _open_context(settings, services, feed, listeners[0].getsockname()[1])
    store = context.store
    app, screens = web.create_app(context, max_clients)
    server = realtime.HTTPServer(
        app, listeners, web.security_headers("localhost"), web.urgency(context), web.error_body
    )
    button = hardware.Button(pins, store.press, store.hold, settings.hold)
    _subscribe(context, screens, server, feed)

    # In order of shutdown: accept nothing new, then commit and send what was already accepted.
    services.add("listener", stop=lambda _: server.stop_accepting())
    services.add("button", button.tasks(), button.stop, critical=True, hardware=button.status)
    services.add("store", store.tasks(), store.stop, critical=True, database=store.status)
    services.add("server", server.tasks(), server.close, critical=True, connections=server.connections)
    services.add("screens", screens.tasks(), clients=screens.status)
    services.add("feed", feed.tasks(), feed.stop, feed=feed.status)
    if output is not None:
        led = _add_led(services, output, store.status, lambda: button.is_stuck() or not screens.count())
        store.subscribe(lambda event: led.acknowledge(event.kind))
    _add_background(services, context)
    services.add("taps", _taps(pins, feed, demo))
    services.add("announcer", stop=lambda _: store.close())
    services.add("database", stop=lambda _: context.database.close())
    button.start()
    hardware.log_inputs(pins, settings.pin, settings.simulated_pin)
    return Program(
        services,
        lambda: not (button.status()["trouble"] or store.is_stuck()),
        lambda: store.status()["trouble"] or f"{store.current.to_go()}, {screens.count()} screens",
        _first_lines(context, server.url, max_clients),
        server.url,
    )


def _subscribe(
    context: web.Context, screens: web.Screens, server: realtime.HTTPServer, feed: integrations.Feed
) -> None:
    context.store.subscribe(screens.broadcast)
    context.store.subscribe_rewind(server.restart_sessions)
    context.accounts.subscribe(screens.sessions_changed)
    feed.subscribe(screens.broadcast_samples)


def build_remote_button(settings: Settings, url: str) -> Program:
    """Build the program that sends this machine's presses to the server at `url`."""
    if not is_url(url):
        got = "" if "@" in url else f", got {url[:80]!r}"  # it may contain a password
        raise SettingError(f"--server: expected the URL of a server, such as http://the-pi:8000{got}")
    if settings.api_token is None:
        raise SettingError("BUTTON_API_TOKEN: expected the server's API token")
    if settings.hold:
        log.warning("BUTTON_HOLD is ignored: only a server can undo a press")
    pins = hardware.open_inputs(settings.hardware, settings.pin, settings.simulated_pin, settings.site)
    output = hardware.open_output(settings.hardware, settings.led_pin)
    spool = storage.Spool(Path(settings.spool or "button-spool.db"))
    remote = integrations.RemoteButton(url, settings.api_token, spool, settings.site)
    remote.subscribe(lambda count: log.info("Press counted: %s of %s to go", count["count"], count["goal"]))
    button = hardware.Button(pins, remote.press)
    services = process.Services()
    services.add("button", button.tasks(), button.stop, critical=True)
    services.add("delivery", remote.tasks(), critical=True)
    if output is not None:
        led = _add_led(services, output, remote.status, button.is_stuck)
        remote.subscribe(lambda _: led.acknowledge("press"))
    services.add("taps", _taps(pins))
    button.start()
    hardware.log_inputs(pins, settings.pin, settings.simulated_pin)
    return Program(
        services,
        lambda: not button.status()["trouble"],
        lambda: remote.status()["trouble"] or "All presses delivered",
        (f"Presses go to {url}",),
    )


def _listen(settings: Settings) -> list[Any]:
    try:
        return realtime.bind(settings.host, settings.port)
    except OSError as error:
        where = f"{error.filename} port {settings.port}"
        raise process.StartError(
            f"BUTTON_HOST, BUTTON_PORT: cannot listen on {where}: {error.strerror}"
        ) from error


def _open_context(
    settings: Settings, services: process.Services, feed: integrations.Feed, port: int
) -> web.Context:
    """Open the database and create the context of the views; `port` names the spool."""
    horn = {} if settings.horn is None else {web.CUSTOM_HORN: web.load_horn(Path(settings.horn))}
    database = storage.open_database(settings.database, settings.goal or DEFAULT_GOAL, settings.backups)
    accounts, metrics = storage.Accounts(database), web.Metrics()
    spool = storage.open_spool(
        settings.database, settings.spool or f"button-spool-{port}.db", accounts.identity
    )
    store = storage.Store(database, metrics.commit.observe, spool)
    context = web.Context(
        storage.PROGRAM, settings, database, store, accounts, services.report, metrics, feed.samples,
        log_output.recent,
    )  # fmt: skip
    context.assets |= horn
    return context


def _add_led(
    services: process.Services,
    output: hardware.OutputPin,
    status: Callable[[], Mapping[str, Any]],
    warns: Callable[[], bool],
) -> hardware.Led:
    """Add the LED, which blinks fast if `status` reports trouble and slowly if `warns()` is true."""
    led = hardware.Led(output, lambda: "fast" if status()["trouble"] else "slow" if warns() else "rest")
    services.add("LED", led.tasks(), led.stop, led=led.status)
    return led


def _add_background(services: process.Services, context: web.Context) -> None:
    """Add the services that no press waits for, including the optional ones."""
    settings, database = context.settings, context.database
    if settings.webhook is not None:
        values = storage.KeyValue(database)
        webhook = integrations.Webhook(
            settings.webhook, settings.webhook_secret, database, values, settings.noun[0]
        )
        context.store.subscribe(webhook.wake)
        services.add("webhook", webhook.tasks(), webhook.stop, webhook=webhook.status)
    if backups := storage.open_backups(settings.database, settings.backups):
        services.add("backups", backups.tasks(), backups=backups.status)
    services.add("accounts", context.accounts.tasks())
    services.add("memory", (process.trim_heap,))


def _taps(
    pins: Mapping[str, hardware.InputPin], feed: integrations.Feed | None = None, demo: bool = False
) -> list[Task]:
    """Return tasks that press the simulated button and, in a demo, publish values."""
    first = next(iter(pins.values()), None)
    tasks: list[Task] = []
    if isinstance(first, hardware.SimulatedInput) and hardware.is_at_terminal():
        tasks.append(partial(hardware.tap_on_enter, first.tap))
    if isinstance(first, hardware.SimulatedInput) and demo:
        tasks.append(partial(hardware.tap_at_random, first.tap))
    if demo and feed and feed.bound:
        tasks.append(partial(integrations.publish_sine, feed.bound[0]))
    elif demo:
        log.warning("The demo publishes no values, because the feed is not listening")
    return tasks


def _first_lines(context: web.Context, url: str, max_clients: int) -> tuple[str, ...]:
    """Return the lines that a server prints at startup."""
    settings, goal = context.settings, context.store.current.goal
    log.info("Maximum clients: %d", max_clients)
    if settings.goal not in (None, goal):
        log.warning(
            "BUTTON_GOAL=%d has no effect: the goal of this database is %d; set it on the admin page",
            settings.goal, goal,
        )  # fmt: skip
    path, shown = storage.sqlite_path(settings.database), terminal.clickable(url)
    password = context.accounts.ensure_password(settings.admin_password)
    return (
        *([f"Admin password: {password}"] if password else []),
        f"Database: {path.resolve() if path else 'PostgreSQL'}",
        f"Countdown {shown}/  Graph {shown}/graph  Admin {shown}/admin",
        f"Serving on {url}",
    )


def _set_password(settings: Settings) -> None:
    if settings.admin_password is not None:
        raise storage.DatabaseError("The password is set by BUTTON_ADMIN_PASSWORD; change it there")
    try:
        password = terminal.read_password("New admin password: ")
    except UnicodeDecodeError:
        raise SettingError("password: expected UTF-8") from None
    if not 1 <= len(password) <= web.MAX_PASSWORD_SIZE:
        raise SettingError(f"password: expected 1 to {web.MAX_PASSWORD_SIZE} characters")
    storage.Accounts(storage.open_database(settings.database, goal=None)).set_password(password)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = command_line.parse(argv, storage.PROGRAM, table())
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
            storage.check_url(settings.database)
        except ValueError as error:
            raise SettingError(f"BUTTON_DATABASE: expected {error}") from None
        if options.command in (None, "button"):
            process.set_priority()
        log_output.start(settings.log)
        logging.getLogger().handlers[0].addFilter(
            realtime.RateLimit(MAX_TRACEBACKS, applies=lambda record: bool(record.exc_info))
        )
        for warning in unknown(environ):
            log.warning("%s", warning)
        if done := _command(options, settings):
            log_output.write_line(done)
    except SettingError as error:
        log_output.write_line(str(error))
        return 2
    except START_ERRORS as error:
        log_output.write_line(str(error))
        return 1
    return 0


def _command(options: argparse.Namespace, settings: Settings) -> str | None:
    """Run a command and return a line to print at the end, or None."""
    url = settings.database
    match options.command:
        case "set-password":
            _set_password(settings)
            return "Admin password changed; all sessions are signed out"
        case "backup":
            storage.sqlite_backup.backup(storage.sqlite_file(url), options.path)
            return f"{options.path}: written"
        case "restore":
            previous = storage.sqlite_backup.restore(options.path, storage.sqlite_file(url))
            kept = f"; the previous database is {previous}" if previous else ""
            return f"{storage.sqlite_file(url)}: restored{kept}"
        case "import":
            number = storage.import_database(
                options.path, lambda: storage.open_database(url, settings.goal or DEFAULT_GOAL)
            )
            return f"{options.path}: {number} changes imported"
        case "button":
            run(partial(build_remote_button, settings, options.server))
        case _:
            run(partial(build_server, settings, options.demo), options.open)
    return None


if __name__ == "__main__":
    log_output.open_standard_streams()
    # Skip the interpreter's shutdown, which would wait for a thread that is blocked on disk I/O.
    process.exit_now(main())
