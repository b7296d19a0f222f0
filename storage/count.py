"""The rules of the count: what a press, an undo, a reset and a new goal make of it. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Change(NamedTuple):
    """Something that somebody asks of the count.

    `kind` is press, undo, reset or goal. `source` says who asks (`button`, `admin`, `api` …).
    `key`, if not None, names this very request: the same key again is answered with what the first
    one did. `goal` is for a goal only; `seq`, for an undo, names the change that it means (None:
    whichever is the newest).
    """

    kind: str
    source: str
    key: str | None = None
    goal: int | None = None
    seq: int | None = None


class Event(NamedTuple):
    """A change that was recorded, with the whole state that it led to.

    `seq` numbers the events from 1 without gaps; `at` is Unix seconds, for show only. `below` is the
    seq of the change under this one on the stack of those not yet taken back (0: none), so that an
    undo is one look-up. `undoes` is, for an undo, the seq that it took back; `named` the seq that
    its request named. The state before any change is an event too: seq 0, kind `connect`.
    """

    seq: int
    at: float
    kind: str
    source: str
    count: int  # type: ignore[assignment]  # hides the tuple's own count(), which nobody needs
    goal: int
    below: int = 0
    undoes: int | None = None
    named: int | None = None
    key: str | None = None

    @property
    def top(self) -> int:
        """The seq of the newest change not yet taken back, once this event is recorded; 0: none."""
        return self.below if self.kind == "undo" else self.seq

    def as_count(self, cause: str | None = None) -> dict[str, Any]:
        """The count as it is sent everywhere; `cause` in place of the event's own kind."""
        return {
            "count": self.count,
            "goal": self.goal,
            "seq": self.seq,
            "cause": cause or self.kind,
            "at": self.at,
        }

    def as_history(self) -> dict[str, Any]:
        """The event as `/api/history` and the webhook have it."""
        return {name: getattr(self, name) for name in ("seq", "at", "kind", "source", "count", "goal")}


class Refused(Exception):
    """A change that the rules do not allow; nothing was recorded. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def origin(goal: int, at: float) -> Event:
    """The state of an empty database, made at `at` (Unix seconds)."""
    return Event(0, at, "connect", "", goal, goal)


def follow(last: Event, change: Change, at: float, event_at: Callable[[int], Event]) -> Event:
    """The event that `change` adds after `last`, recorded at `at` (Unix seconds).

    `event_at(seq)` looks up an earlier event. Raises `Refused`.
    """
    seq, below, undoes = last.seq + 1, last.top, None
    count, goal = last.count, last.goal
    if change.kind == "press":
        count = count - 1 if count else goal
    elif change.kind == "reset":
        count = goal
    elif change.kind == "goal":
        if change.goal is None:
            raise ValueError("a goal without a number")
        pressed = goal - count  # what the ring shows stays
        goal = change.goal
        count = max(0, goal - pressed)
    elif change.kind == "undo":
        undoes = last.top
        _check_undo(undoes, change.seq)
        before = event_at(undoes - 1)
        count, goal, below = before.count, before.goal, event_at(undoes).below
    else:
        raise ValueError(f"no such kind of change: {change.kind!r}")
    return Event(seq, at, change.kind, change.source, count, goal, below, undoes, change.seq, change.key)


def _check_undo(top: int, named: int | None) -> None:
    if not top:
        raise Refused("nothing_to_undo", "nothing is left to take back")
    if named is not None and named != top:
        raise Refused("changed", f"seq: {named} is not the newest change not taken back, {top} is")


def check_same(change: Change, first: Event) -> None:
    """Raise `Refused` if `first`, recorded under the same key, was another request than `change`."""
    same_goal = change.kind != "goal" or change.goal == first.goal
    if change.kind != first.kind or change.seq != first.named or not same_goal:
        raise Refused("key_reused", "key: it was used before, for another request")


def follow_all(
    changes: Sequence[Change],
    last: Event,
    find: Callable[[str], Event | None],
    event_at: Callable[[int], Event],
    at: float,
    keep: Callable[[Event], object],
) -> list[tuple[Event, bool] | Refused]:
    """Add `changes` after `last`, in order; each fails alone.

    For each: its event and whether an earlier request with its key had made it, or its refusal.
    `find(key)` and `event_at(seq)` look up events, those that `keep(event)` was given among them. `at` is
    Unix seconds.
    """
    outcomes: list[tuple[Event, bool] | Refused] = []
    for change in changes:
        try:
            first = find(change.key) if change.key else None
            if first:
                check_same(change, first)
                outcomes.append((first, True))
                continue
            last = follow(last, change, at, event_at)
        except Refused as refused:
            outcomes.append(refused)
            continue
        keep(last)
        outcomes.append((last, False))
    return outcomes
