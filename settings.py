"""Table of settings, the source for validation, --help and the README's table."""

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

#: Physical pins of the 40-pin header that are GPIO and free to use (the rest are power, ground and
#: the two that read a HAT's memory), as listed in `source/common.c` of RPi.GPIO 0.7.1.
GPIO_PINS = (3, 5, 7, 8, 10, 11, 12, 13, 15, 16, 18, 19, 21, 22, 23, 24, 26, 29, 31, 32, 33, 35, 36,
             37, 38, 40)  # fmt: skip

MAX_GOAL = 1000
#: Goal of a new database unless BUTTON_GOAL is set.
DEFAULT_GOAL = 20
#: Maximum number of webhook URLs.
MAX_WEBHOOKS = 16
#: Maximum hold time in seconds.
MAX_HOLD = 60


class SettingError(ValueError):
    """An invalid setting. The message is one line for the user."""


class Parser(NamedTuple):
    """Parses and validates the values of a setting."""

    parse: Callable[[str], Any]  # raises ValueError
    expected: str
    secret: bool = False  # its value is never printed


def _integer(low: int, high: int) -> Parser:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return Parser(parse, f"a whole number from {low} to {high}")


def _choice(*words: str) -> Parser:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return text.lower()

    return Parser(parse, "one of " + ", ".join(words))


def _text(
    max_length: int, pattern: str = r"[^\x00-\x1f\x7f]+", what: str = "", secret: bool = False
) -> Parser:
    def parse(text: str) -> str:
        if len(text) > max_length or not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return Parser(parse, what or f"1 to {max_length} characters without control characters", secret)


def _pins(text: str) -> tuple[int, ...]:
    pins = tuple(int(part) if part.strip().isdecimal() else 0 for part in text.split(","))
    if len(set(pins)) < len(pins) or not set(pins) <= set(GPIO_PINS):
        raise ValueError
    return pins


def _pin(text: str) -> int:
    (pin,) = _pins(text)
    return pin


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text) or float(text) > MAX_HOLD:
        raise ValueError
    return float(text)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip().lower() for part in text.split(","))
    if not all(is_origin(origin) for origin in origins):
        raise ValueError
    # Browsers omit the default port.
    return tuple(re.sub(r"^(http://.*):80$|^(https://.*):443$", r"\1\2", origin) for origin in origins)


# A page's origin, `null` (sandboxed frames), `file://` (some devices), or an app's scheme.
_ORIGIN = re.compile(r"null|file://|[a-z][a-z0-9+.-]{0,30}://[a-z0-9.:\[\]-]{1,255}")


def is_origin(text: str) -> bool:
    """Return whether `text`, in lower case, is valid as an allowed origin."""
    return _ORIGIN.fullmatch(text) is not None


def _ancestors(text: str) -> tuple[str, ...]:
    if text.strip() == "*":
        return ("*",)
    origins = tuple(part.strip().lower() for part in text.split(","))
    if not all(re.fullmatch(r"https?://[a-z0-9.:\[\]*-]{1,255}", origin) for origin in origins):
        raise ValueError
    return origins


def _noun(text: str) -> tuple[str, str]:
    words = [part.strip() for part in text.split(",")]
    if len(words) > 2 or not all(re.fullmatch(r"[^\x00-\x1f\x7f]{1,32}", word) for word in words):
        raise ValueError
    return words[0], words[1] if len(words) == 2 else words[0] + "s"


# Unix sockets only for connecting, because libzmq deletes any file at a path that it binds. Connecting also
# requires a host and a port.
_ENDPOINT = re.compile(
    r"connect:tcp://([^\s,:/*]+|\[[0-9a-fA-F:.%\w]+\]):0*(?P<there>[1-9][0-9]{0,4})"
    r"|tcp://([^\s,:/]*|\[[0-9a-fA-F:.%\w]+\]):(?P<here>[0-9]{1,5}|\*)"
    r"|connect:ipc://[^\s,]{1,100}"
)


def _endpoints(text: str) -> tuple[str, ...]:
    if text.strip().lower() == "off":
        return ()
    endpoints = tuple(part.strip() for part in text.split(","))
    for endpoint in endpoints:
        found = _ENDPOINT.fullmatch(endpoint)
        if not found or int((found["there"] or found["here"] or "0").replace("*", "0")) > 65535:
            raise ValueError
        endpoint.rpartition("//")[2].rpartition(":")[0].encode(
            "idna"
        )  # raises ValueError for a malformed host
    return endpoints


def is_url(text: str) -> bool:
    """Return whether `text` is a valid http or https URL without credentials."""
    try:
        parts = urlsplit(text)
        (parts.hostname or "").encode("idna")
        there = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return there and "@" not in parts.netloc and re.fullmatch(r"[\x21-\x7e]{1,2000}", text) is not None


def _webhook_secret(text: str) -> str:
    if text.startswith("whsec_") and len(text.rstrip("=")) % 4 == 3:  # never the length of valid Base64
        raise ValueError
    if not re.fullmatch(r"(?!whsec_)[^\x00-\x1f\x7f]{1,256}|whsec_[A-Za-z0-9+/]{2,256}={0,2}", text):
        raise ValueError
    return text


def _urls(text: str) -> tuple[str, ...]:
    """Split at whitespace, and at commas before a URL, since URLs can contain commas."""
    urls = tuple(dict.fromkeys(re.split(r"(?i)[\s,]+(?=https?://)|\s+", text.strip())))
    if len(urls) > MAX_WEBHOOKS or not all(is_url(url) for url in urls):
        raise ValueError
    return urls


def _setting(default: str | None, parser: Parser, help: str, display: str = "", fallback: str = "") -> Any:
    """Return a row of the table of settings.

    Args:
        default: The default as text, or None if there is none.
        parser: Parses the value.
        help: Description for the table.
        display: The default as shown in the table.
        fallback: Variable to read if the setting's own is not set.
    """
    return field(
        default=None if default is None else parser.parse(default),
        metadata={
            "parser": parser,
            "help": help,
            "display": display or default or "none",
            "example": default or ("" if "PORT" in display else display),
            "fallback": fallback,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one server, which `from_environ()` reads from `BUTTON_…` variables.

    Everyday settings come first, here and in `--help`, the README's table and /etc/the-button.env.
    """

    title: str | None = _setting(
        None, _text(200), "heading of the pages; `{goal}` is replaced", "`Deals till {goal} deal goal`"
    )
    goal: int | None = _setting(
        None,
        _integer(1, MAX_GOAL),
        "goal of a new database, 1 to 1000; change it later on the admin page",
        str(DEFAULT_GOAL),
    )
    noun: tuple[str, str] = _setting(
        "deal",
        Parser(_noun, "a noun of 1 to 32 characters, and after a comma its plural if irregular"),
        "what is counted, such as `deal`, or singular and plural, such as `sign-up,sign-ups`",
    )
    horn: str | None = _setting(
        None, _text(1000), "path of an mp3, wav or ogg file up to 2 MB that replaces the short horn"
    )
    pin: tuple[int, ...] = _setting(
        "11",
        Parser(_pins, "physical pin numbers that are GPIO, such as 11 or 11,13"),
        "physical pin number of the button, which connects the pin to ground; several: `11,13`",
    )
    led_pin: int | None = _setting(
        None,
        Parser(_pin, "a physical pin number that is GPIO, such as 12"),
        "physical pin number of the button's LED",
    )
    hold: float = _setting(
        "0",
        Parser(_seconds, f"seconds from 0 to {MAX_HOLD}"),
        "seconds to hold the button to undo the press; 0 = never",
    )
    site: str | None = _setting(
        None,
        _text(
            32, r"[A-Za-z0-9 ._-]+", "1 to 32 ASCII letters, digits, spaces, dots, hyphens and underscores"
        ),
        "location of this server, such as `Berlin`; recorded with presses and admin changes",
    )
    admin_password: str | None = _setting(
        None,
        _text(256, r"(?s).+", "1 to 256 characters", True),
        "admin password; none = a random one, created and shown once on first start",
    )
    backups: str | None = _setting(
        None,
        _text(1000),
        "folder for daily copies of the database, of which 14 are kept; only with SQLite",
    )
    port: int = _setting(
        "8000", _integer(0, 65535), "port to listen on; 0 picks a free one", "`$PORT` or 8000", "PORT"
    )
    host: str = _setting("0.0.0.0", _text(255), "address to listen on; `0.0.0.0` means all, including IPv6")  # noqa: S104
    database: str = _setting(
        "sqlite:///button.db",
        _text(
            1000,
            r"sqlite:///[^\x00-\x1f\x7f]+|postgres(ql)?://[\x21-\x7e]+",
            "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host/name",
            True,
        ),
        "database in which every change is stored: `sqlite:///relative/path`, `sqlite:////absolute/path`, or"
        " `postgresql://…` for several servers",
    )
    spool: str | None = _setting(
        None,
        _text(1000),
        "SQLite file that queues presses while PostgreSQL (or, for `app.py button`, the server) is"
        " unreachable",
        "`button-spool-PORT.db`",
    )
    api_token: str | None = _setting(
        None,
        _text(256, r"[\x21-\x7e]+", "1 to 256 printable ASCII characters without spaces", True),
        "token for writes through the API (as Bearer token or Basic password); none = they are rejected",
    )
    webhook: tuple[str, ...] | None = _setting(
        None,
        Parser(_urls, "URLs such as https://example.com/hook, without credentials, space-separated", True),
        "URL to which every change is posted as JSON, in order, until it is accepted; several separated by"
        " spaces or commas",
    )
    webhook_secret: str | None = _setting(
        None,
        Parser(_webhook_secret, "whsec_ and Base64, or 1 to 256 characters", True),
        "key that signs webhook requests (HMAC, Standard Webhooks); none = unsigned",
    )
    feed: tuple[str, ...] | None = _setting(
        None,
        Parser(
            _endpoints, "off, or ZeroMQ endpoints such as tcp://127.0.0.1:5555 or connect:tcp://host:5555"
        ),
        "ZeroMQ endpoint to which programs publish values, bound by a SUB socket;"
        " `connect:tcp://host:port` connects instead; several separated by commas; `off` = none",
        "`tcp://127.0.0.1:5555`",
    )
    hardware: str = _setting(
        "auto",
        _choice("auto", "gpio", "simulated", "none"),
        "`gpio`, `simulated`, `none`, or `auto`: `gpio` on a Raspberry Pi, `simulated` elsewhere",
    )
    simulated_pin: str | None = _setting(
        None,
        _text(1000),
        "path of a FIFO; writing `0` (pressed) or `1` to it sets the level of the simulated pin",
    )
    allowed_origins: tuple[str, ...] | None = _setting(
        None,
        Parser(_origins, "origins such as https://example.com, separated by commas"),
        "additional allowed origins, comma-separated, which can be `null`, `file://` or app schemes such as"
        " `capacitor://localhost`; the same origin is always allowed",
    )
    frame_ancestors: tuple[str, ...] | None = _setting(
        None,
        Parser(_ancestors, "origins such as https://example.com, separated by commas, or *"),
        "origins allowed to show `/` and `/graph` in a frame, comma-separated, or `*`",
    )
    trusted_proxies: int = _setting(
        "0", _integer(0, 10), "number of reverse proxies whose X-Forwarded-* headers are trusted"
    )
    max_clients: int = _setting(
        "20000", _integer(1, 1_000_000), "maximum number of Socket.IO clients; further ones get 503"
    )
    log: str = _setting("info", _choice("debug", "info", "warning", "error", "critical"), "log level")

    @property
    def heading(self) -> str:
        """The title, or a default with the noun. `{goal}` is not replaced yet."""
        noun, nouns = self.noun
        return self.title or f"{nouns[:1].upper()}{nouns[1:]} till {{goal}} {noun} goal"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings in `environ`. Empty variables count as not set.

        Raises `SettingError`, whose message names the variable, what was expected and what was found.
        """
        values = {}
        for row in fields(cls):
            found = _from_file(row, environ)
            for name in (variable(row), row.metadata["fallback"]):
                if environ.get(name):
                    found = name, environ[name]
                    break
            if found is not None:
                values[row.name] = _read(*found, row.metadata["parser"])
        settings = cls(**values)
        if settings.led_pin in settings.pin:
            raise SettingError(
                f"BUTTON_LED_PIN: expected a pin other than BUTTON_PIN, got '{settings.led_pin}'"
            )
        return settings


def variable(row: "Field[Any]") -> str:
    """Return the name of the environment variable for a row of the table."""
    return "BUTTON_" + row.name.upper()


#: Settings that can be in a file, whose path is in `BUTTON_…_FILE` (Docker and systemd credentials).
IN_FILES = ("admin_password", "api_token", "database", "webhook", "webhook_secret")
#: Maximum bytes read of the first line of such a file. No value is longer.
MAX_FILE_SIZE = 40_000


def _from_file(row: "Field[Any]", environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable `BUTTON_…_FILE` and its file's first line, or None if not set."""
    name = variable(row) + "_FILE"
    if row.name not in IN_FILES or not environ.get(name):
        return None
    if environ.get(variable(row)):
        raise SettingError(f"{name}: expected {variable(row)} not to be set as well; remove one of them")
    try:
        with open(environ[name], "rb") as file:
            line = file.readline(MAX_FILE_SIZE + 1).rstrip(b"\r\n").decode()
    except OSError as error:
        raise SettingError(f"{name}: the file cannot be read: {error.strerror}") from None
    except ValueError:
        raise SettingError(f"{name}: expected UTF-8 in the file") from None
    if not line:
        raise SettingError(f"{name}: expected the value in the first line of the file")
    return name, line


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each unknown `BUTTON_…` variable, with the nearest setting."""
    known = [variable(row) for row in fields(Settings)]
    known += [f"{variable(row)}_FILE" for row in fields(Settings) if row.name in IN_FILES]
    warnings = []
    for name in sorted(environ):
        if name.startswith("BUTTON_") and name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.6)
            warnings.append(f"{name}: unknown setting" + (f"; did you mean {near[0]}?" if near else ""))
    return warnings


def _read(name: str, text: str, parser: Parser) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SettingError(f"{name}: expected UTF-8") from None
    try:
        return parser.parse(text)
    except ValueError:
        got = "" if parser.secret else f", got {text[:80]!r}"
        raise SettingError(f"{name}: expected {parser.expected}{got}") from None


def table() -> Iterator[tuple[str, str, str]]:
    """Yield the variable, the default and the meaning of each setting."""
    for row in fields(Settings):
        yield variable(row), row.metadata["display"], row.metadata["help"]


def environment_file(text: str) -> str:
    """Return an environment file, completed with a comment for each missing setting."""
    text = text or "# Settings of The Button. After a change, run: systemctl restart the-button\n"
    if not text.endswith("\n"):
        text += "\n"
    for row in fields(Settings):
        if not re.search(rf"^[#;]?[ \t]*{variable(row)}=", text, re.M):
            help, example = row.metadata["help"].replace("`", ""), row.metadata["example"].replace("`", "")
            text += f"\n# {help}\n#{variable(row)}={example}\n"
    return text


if __name__ == "__main__":  # for deploy/install.sh: python -m settings PATH
    there = Path(sys.argv[1])
    data = there.read_bytes() if there.exists() else b""
    completed = environment_file(data.decode("utf-8", "surrogateescape"))
    sys.stdout.buffer.write(completed.encode("utf-8", "surrogateescape"))
