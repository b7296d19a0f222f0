"""History, backup and log for a signed-in admin."""

import tempfile
import time
from pathlib import Path
from typing import Any

import flask
import gevent

from storage import DatabaseError, Unavailable, sqlite_backup, sqlite_files, sqlite_path

from .context import context
from .sessions import admin, signed_in
from .times import iso


@admin.get("/history.csv")
@signed_in
def history() -> Any:
    database = context().database

    def rows() -> Any:
        yield "seq,at,kind,source,count,goal,undoes\n"
        seq = 0
        while events := database.events_after(seq, 1000):
            seq = events[-1].seq
            yield "".join(
                f"{event.seq},{iso(event.at)},{event.kind},{event.source},{event.count},{event.goal},"
                f"{event.undoes or ''}\n"
                for event in events
            )

    response = flask.Response(rows(), mimetype="text/csv")
    response.headers["Content-Disposition"] = "attachment; filename=history.csv"
    return response


@admin.get("/backup")
@signed_in
def backup() -> Any:
    """Return a consistent copy of the SQLite database, or 404 with PostgreSQL."""
    if sqlite_path(context().settings.database) is None:
        flask.abort(404)
    try:
        path = sqlite_files.resolve(sqlite_path(context().settings.database) or Path())
        prefix = sqlite_files.DOWNLOAD_PREFIX.format(path.name)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
            copy = Path(folder) / "button.db"
            gevent.get_hub().threadpool.apply(sqlite_backup.backup, (path, copy))
            file = copy.open("rb")  # readable after it is deleted
    except (DatabaseError, OSError):
        raise Unavailable("the backup failed; the disk may be full") from None
    name = time.strftime("button-%Y-%m-%d.db")
    return flask.send_file(file, "application/vnd.sqlite3", as_attachment=True, download_name=name)


@admin.get("/log")
@signed_in
def log() -> Any:
    return flask.render_template(
        "log.html",
        title=context().title(),
        csrf_token=context().accounts.form_token(flask.g.session),
        lines=context().log_lines(),
    )
