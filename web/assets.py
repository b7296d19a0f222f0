"""The static files, read once, compressed once, kept in memory."""

import gzip
import hashlib
import mimetypes
import re
from pathlib import Path

from rjsmin import jsmin

from .stylesheets import expand, expand_for_system_theme, read_palette

STATIC = Path(__file__).parent.parent / "static"
#: Kinds of file that are served; of these, which gain from gzip.
TYPES = {".css", ".js", ".png", ".ico", ".mp3", ".wav", ".woff2"}
TEXTS = {".css", ".js"}
#: Media types that Python 3.11 lacks.
MEDIA_TYPES = {".woff2": "font/woff2"}
#: The font of all pages, a subset of Inter (deploy/vendor.sh).
FONT = "fonts/inter.woff2"
#: Scripts that the countdown and the graph share.
SHARED = ("connection.js", "words.js", "tab.js", "page.js", "menu.js", "ring.js")
#: The scripts and styles of a page. They are served as one file, since all screens load them at the same time
#: after an update.
BUNDLES = {
    "head.all.js": ("compat.js", "util.js", "theme.js"),
    "countdown.all.js": (*SHARED, "horn.js", "confetti.js", "delays.js", "page-countdown.js"),
    "graph.all.js": (*SHARED, "chart.js", "chart-live.js", "chart-history.js", "page-graph.js"),
    "admin.all.js": ("connection.js", "words.js", "tab.js", "ring.js", "morph.js", "page-admin.js"),
    "button.css": ("base.css", "countdown.css", "menu.css", "sheet.css", "graph.css"),
    "admin.all.css": ("admin.css", "history.css", "details.css"),
}
#: Name of the sound that replaces the short horn.
CUSTOM_HORN = "sound/custom"
#: Maximum size of such a sound in bytes.
MAX_HORN_SIZE = 2_000_000
#: Patterns of the first bytes of sounds, and their media types. An MP3 file begins with an ID3 tag, or with
#: the sync word of a frame of MPEG 1, 2 or 2.5, Layer III (ISO 11172-3, 2.4.2.3).
SOUNDS = {
    rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]": "audio/mpeg",
    rb"RIFF....WAVE": "audio/wav",
    rb"OggS": "audio/ogg",
}


class Asset:
    """A static file in memory, plain and, where it is text, gzipped. `version` names its content."""

    def __init__(self, name: str, body: bytes, media_type: str | None = None) -> None:
        kind = Path(name).suffix
        self.body = body
        self.zipped = gzip.compress(body, 9, mtime=0) if kind in TEXTS else None
        self.type = media_type or MEDIA_TYPES.get(kind) or mimetypes.types_map[kind]
        self.version = hashlib.sha256(body).hexdigest()[:12]


class HornError(Exception):
    """The custom horn cannot be played. The message says why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"BUTTON_HORN: {str(path)!r} cannot be played: {reason}; name another file")


def load_horn(path: Path) -> Asset:
    """Return the sound at `path`. Raises `HornError`."""
    try:
        with path.open("rb") as file:
            body = file.read(MAX_HORN_SIZE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise HornError(path, getattr(error, "strerror", None) or str(error)) from error
    if len(body) > MAX_HORN_SIZE:
        raise HornError(path, "larger than 2 MB")
    for pattern, media_type in SOUNDS.items():
        if re.match(pattern, body, re.DOTALL):
            return Asset(CUSTOM_HORN, body, media_type)
    raise HornError(path, "not an mp3, wav or ogg file")


def load_assets(folder: Path = STATIC) -> dict[str, Asset]:
    """Return the static files by their path in `folder`, scripts without comments, and the bundles."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in TYPES)
    bodies = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    for path in folder.glob("*.js"):
        bodies[path.name] = jsmin(bodies[path.name])
    for name, parts in BUNDLES.items():
        bodies[name] = b"\n".join(bodies[part] for part in parts)
    palette = read_palette(bodies["palette.css"].decode())
    # The URL changes with the font, so that it can be cached.
    font = Asset(FONT, bodies[FONT])
    bodies["button.css"] = bodies["button.css"].replace(FONT.encode(), f"{FONT}?v={font.version}".encode())
    system_theme = expand_for_system_theme((bodies["button.css"] + bodies["admin.all.css"]).decode(), palette)
    for name in bodies:
        if name.endswith(".css"):
            bodies[name] = expand(bodies[name].decode(), palette).encode()
    bodies["noscript.css"] += system_theme.encode()
    return {name: Asset(name, body) for name, body in bodies.items()}
