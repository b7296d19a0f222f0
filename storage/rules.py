"""Rules of the count, as pure functions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Change(NamedTuple):
    """A requested change of the count.

    `kind` is `press`, `undo`, `reset`, `goal` or `set`. `source` is the origin of the request (`button`,
    `admin`, `api` …), with `@` and the site if it has one. `key`, if not None, is an idempotency key: a
    repeated request with the same key gets the result of the first. `goal` and `count` are the new values
    for `goal` and `set`. `seq` is the change to undo, for `undo`; None undoes the newest.
    """

    kind: str
    source: str
    key: str | None = None
    goal: int | None = None
    seq: int | None = None
    count: int | None = None  # type: ignore[assignment]  # hides the tuple's own count()


class Event(NamedTuple):
    """A recorded change, with the state after it.

    `seq` numbers the events from 1 without gaps. `at` is in Unix seconds, for display only. `below` is the
    seq of the change below this one on the undo stack, or 0, so that an undo takes one lookup. For an undo,
    `undoes` is the seq of the undone change and `named` the seq in the request. The initial state is an
    event with seq 0 and kind `connect`.
    """

    seq: int
    at: float
    kind: str
    source: str
    count: int  # type: ignore[assignment]  # hides the tuple's own count()
    goal: int
    below: int = 0
    undoes: int | None = None
    named: int | None = None
    key: str | None = None

    @property
    def top(self) -> int:
        """The seq of the newest change that can be undone after this event, or 0."""
        return self.below if self.kind == "undo" else self.seq

    def to_go(self) -> str:
        """Return the remaining count in words."""
        return f"{self.count} of {self.goal} to go"

    def as_count(self, cause: str | None = None) -> dict[str, Any]:
        """Return the count in the format of every interface; `cause` replaces the event's kind."""
        return {
            "count": self.count,
            "goal": self.goal,
            "seq": self.seq,
            "cause": cause or self.kind,
            "at": self.at,
        }

    def as_history(self) -> dict[str, Any]:
        """Return the event in the format of `/api/history` and the webhook."""
        return {name: getattr(self, name) for name in ("seq", "at", "kind", "source", "count", "goal")}


class Rejected(Exception):
    """The rules reject a change, and nothing was recorded. `code` is machine-readable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def origin(goal: int, at: float) -> Event:
    """Return the initial state of a database created at `at` (Unix seconds)."""
    return Event(0, at, "connect", "", goal, goal)


def apply(last: Event, change: Change, at: float, event_at: Callable[[int], Event]) -> Event:
    """Return the event that results from applying `change` after `last`.

    Args:
        last: The newest event.
        change: The change.
        at: Time of the event, in Unix seconds.
        event_at: Returns the event with a seq.

    Raises:
        Rejected: The rules do not allow the change.
    """
    seq, below, undoes = last.seq + 1, last.top, None
    count, goal = last.count, last.goal
    if change.kind == "press":
        count = count - 1 if count else goal
    elif change.kind == "reset":
        count = goal
    elif change.kind == "goal":
        if change.goal is None:
            raise ValueError("goal: expected a number, got None")
        pressed = goal - count  # the progress on the ring is kept
        goal = change.goal
        count = max(0, goal - pressed)
    elif change.kind == "set":
        if change.count is None or not 0 <= change.count <= goal:
            raise Rejected("invalid_count", f"count: expected a whole number from 0 to {goal}")
        count = change.count
    elif change.kind == "undo":
        undoes = last.top
        _check_undo(undoes, change.seq)
        before = event_at(undoes - 1)
        count, goal, below = before.count, before.goal, event_at(undoes).below
    else:
        raise ValueError(f"unknown kind of change: {change.kind!r}")
    return Event(seq, at, change.kind, change.source, count, goal, below, undoes, change.seq, change.key)


def _check_undo(top: int, named: int | None) -> None:
    if not top:
        raise Rejected("nothing_to_undo", "nothing is left to undo")
    if named is not None and named != top:
        raise Rejected("changed", f"seq: expected {top}, the newest change that can be undone, got {named}")


def check_same(change: Change, first: Event) -> None:
    """Raise `Rejected` if `change` differs from the request recorded as `first` with the same key."""
    same_goal = change.kind != "goal" or change.goal == first.goal
    same_count = change.kind != "set" or change.count == first.count
    if change.kind != first.kind or change.seq != first.named or not (same_goal and same_count):
        raise Rejected("key_reused", "key: was already used for another request")


def apply_all(
    changes: Sequence[Change],
    last: Event,
    find: Callable[[str], Event | None],
    event_at: Callable[[int], Event],
    at: float,
    keep: Callable[[Event], object],
) -> list[tuple[Event, bool] | Rejected]:
    """Apply `changes` after `last`, in order. A rejected one does not affect the others.

    Args:
        changes: The changes.
        last: The newest event.
        find: Returns the event with a key, or None.
        event_at: Returns the event with a seq.
        at: Time of the events, in Unix seconds.
        keep: Called with each new event, which `find` and `event_at` must return from then on.

    Returns:
        For each change its event and whether an earlier request with the same key caused it, or its
        rejection.
    """
    outcomes: list[tuple[Event, bool] | Rejected] = []
    for change in changes:
        try:
            first = find(change.key) if change.key else None
            if first:
                check_same(change, first)
                outcomes.append((first, True))
                continue
            last = apply(last, change, at, event_at)
        except Rejected as rejected:
            outcomes.append(rejected)
            continue
        keep(last)
        outcomes.append((last, False))
    return outcomes
