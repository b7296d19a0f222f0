"""Whether all is well, for monitors: `/healthz`."""

import time
from typing import Any

import flask

from .parts import parts

health = flask.Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> Any:
    """503 only if a press cannot be recorded now; what else is amiss is a warning."""
    status = {name: tell() for name, tell in parts().status.items()}
    failing = [f"{name}: {part['trouble']}" for name, part in status.items() if part.get("trouble")]
    warnings = [f"{name}: {text}" for name, part in status.items() for text in part.pop("warnings", [])]
    body = {
        "status": "failing" if failing else "ok",
        "failing": failing,
        "warnings": warnings,
        "version": parts().version,
        "uptime": round(time.monotonic() - parts().started, 1),
        **status,
    }
    answer = flask.jsonify(body)
    answer.status_code = 503 if failing else 200
    answer.headers["Cache-Control"] = "no-store"
    return answer
