"""Times on the pages, in the server's time zone."""

import datetime


def iso(at: float) -> str:
    """Return Unix seconds as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(at: float) -> str:
    """Return the time of day, such as 14:32."""
    return f"{_local(at):%H:%M}"


def moment(at: float) -> str:
    """Return the time, such as 14:32, with the date unless it is today."""
    local, now = _local(at), _now()
    if local.date() == now.date():
        return clock(at)
    return f"{local:%-d %b{_year(local, now)}, %H:%M}"


def day(at: float) -> str:
    """Return the day, such as Today or Wednesday, 25 November."""
    local, now = _local(at), _now()
    past = (now.date() - local.date()).days
    return {0: "Today", 1: "Yesterday"}.get(past) or f"{local:%A, %-d %B{_year(local, now)}}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, such as 3 days 4 h."""
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} day{'s' if days > 1 else ''} {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def zone() -> str:
    """Return the name of the time zone and its offset, such as CET (UTC+01:00)."""
    now = _now()
    return "UTC" if f"{now:%Z}" == "UTC" else f"{now:%Z} (UTC{now.isoformat()[-6:]})"


def _local(at: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).astimezone()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).astimezone()


def _year(local: datetime.datetime, now: datetime.datetime) -> str:
    return "" if local.year == now.year else " %Y"
