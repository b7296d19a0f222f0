"""The rules of the count: what each change does to it. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Change(NamedTuple):
    """A requested change of the count.

    `kind` is `press`, `undo`, `reset`, `goal` or `set`. `source` is where the request comes from (`button`,
    `admin`, `api` …), with `@` and its site if it has one. `key`, if not None, names the request: the same
    key again gets the result of the first one. `goal` belongs to `goal`, `count` to `set`. `seq`, for
    `undo`, is the change that is meant (None: the newest one).
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
    seq of the change under this one on the stack of changes that can be undone (0: none), so that an undo
    is one lookup. `undoes` is, for an undo, the seq of the change that it undid; `named` the seq in its
    request. The state before any change is an event, too: seq 0, kind `connect`.
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
        """The seq of the newest change that can be undone after this event; 0: none."""
        return self.below if self.kind == "undo" else self.seq

    def to_go(self) -> str:
        """Return what is left, in words."""
        return f"{self.count} of {self.goal} to go"

    def as_count(self, cause: str | None = None) -> dict[str, Any]:
        """Return the count as it is sent everywhere; `cause` replaces the event's kind."""
        return {
            "count": self.count,
            "goal": self.goal,
            "seq": self.seq,
            "cause": cause or self.kind,
            "at": self.at,
        }

    def as_history(self) -> dict[str, Any]:
        """Return the event as in `/api/history` and the webhook."""
        return {name: getattr(self, name) for name in ("seq", "at", "kind", "source", "count", "goal")}


class Rejected(Exception):
    """A change that the rules reject; nothing was recorded. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def origin(goal: int, at: float) -> Event:
    """Return the state of an empty database that was created at `at` (Unix seconds)."""
    return Event(0, at, "connect", "", goal, goal)


def follow(last: Event, change: Change, at: float, event_at: Callable[[int], Event]) -> Event:
    """Return the event that `change` adds after `last`.

    Args:
        last: The newest event.
        change: The change.
        at: When it is recorded, in Unix seconds.
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
            raise ValueError("a goal without a number")
        pressed = goal - count  # what the ring shows stays
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
    """Raise `Rejected` if `change` is another request than `first`, which was recorded with the same key."""
    same_goal = change.kind != "goal" or change.goal == first.goal
    same_count = change.kind != "set" or change.count == first.count
    if change.kind != first.kind or change.seq != first.named or not (same_goal and same_count):
        raise Rejected("key_reused", "key: was used before, for another request")


def follow_all(
    changes: Sequence[Change],
    last: Event,
    find: Callable[[str], Event | None],
    event_at: Callable[[int], Event],
    at: float,
    keep: Callable[[Event], object],
) -> list[tuple[Event, bool] | Rejected]:
    """Add `changes` after `last`, in order; each fails alone.

    Args:
        changes: The changes.
        last: The newest event.
        find: Returns the event with a key, None if there is none.
        event_at: Returns the event with a seq.
        at: When they are recorded, in Unix seconds.
        keep: Called with each new event; `find` and `event_at` must know it from then on.

    Returns:
        For each change its event and whether an earlier request with its key had caused it, or its rejection.
    """
    outcomes: list[tuple[Event, bool] | Rejected] = []
    for change in changes:
        try:
            first = find(change.key) if change.key else None
            if first:
                check_same(change, first)
                outcomes.append((first, True))
                continue
            last = follow(last, change, at, event_at)
        except Rejected as rejected:
            outcomes.append(rejected)
            continue
        keep(last)
        outcomes.append((last, False))
    return outcomes
