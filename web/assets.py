"""The static files, read once, compressed once, kept in memory."""

import gzip
import hashlib
import mimetypes
from pathlib import Path

STATIC = Path(__file__).parent.parent / "static"
#: Kinds of file that are served; of these, which gain from gzip.
TYPES = {".css", ".js", ".png", ".ico", ".mp3", ".wav"}
TEXTS = {".css", ".js"}


class Asset:
    """A static file in memory, plain and, where it is text, gzipped. `version` names its content."""

    def __init__(self, path: Path) -> None:
        self.body = path.read_bytes()
        self.zipped = gzip.compress(self.body, 9, mtime=0) if path.suffix in TEXTS else None
        self.type = mimetypes.types_map.get(path.suffix, "application/octet-stream")
        self.version = hashlib.sha256(self.body).hexdigest()[:12]


def load_assets(folder: Path = STATIC) -> dict[str, Asset]:
    """The static files under `folder`, by their path within it."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(folder).as_posix(): Asset(path) for path in files}
