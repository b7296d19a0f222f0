"""Work for a native thread, whose errors come back to the one who asked, and to nobody else."""

from collections.abc import Callable
from typing import TypeVar

from gevent.threadpool import ThreadPool

T = TypeVar("T")


def apply(pool: ThreadPool, work: Callable[[], T]) -> T:
    """Run `work` in a thread of `pool`; returns, or raises, what it does.

    An exception that leaves the thread is printed by gevent's hub as well, at each try while a disk is
    full: so it travels as a value.
    """

    def run() -> tuple[T | None, Exception | None]:
        try:
            return work(), None
        except Exception as error:
            return None, error

    done, error = pool.apply(run)
    if error is not None:
        raise error
    return done
