"""The same work on several things at once: things in, results in their order out. Knows nothing of what the work is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

TICK_S = 0.5


def in_parallel(
    work: Callable[[Item], Result], items: Sequence[Item], *, threads: int, name: str, patience_s: float = 0.0
) -> list[Result]:
    """What ``work`` returns for each item, once all are done; then the first error that one raised.

    After an interrupt no further item is begun, and nobody waits long for those at work, not even the interpreter at
    its exit, which ThreadPoolExecutor would make wait: a guest that is gone may take minutes to be given up.

    :param name: of the threads, for logs.
    :param patience_s: seconds that those at work have left after an interrupt.
    """
    if len(items) == 1:
        return [work(items[0])]
    waiting = deque([(item, Future[Result]()) for item in items])
    futures = [future for _, future in waiting]

    def serve() -> None:
        while waiting:
            try:
                item, future = waiting.popleft()
            except IndexError:
                return  # another thread was faster
            try:
                future.set_result(work(item))
            except BaseException as failure:
                future.set_exception(failure)

    try:
        for number in range(min(threads, len(items))):
            Thread(target=serve, name=f"{name}-{number}", daemon=True).start()
        while wait(futures, TICK_S).not_done:
            pass  # a signal that came just before the wait is handled between two of them
    except BaseException:
        _end(waiting, futures, patience_s)
        raise
    return [future.result() for future in futures]


def _end(waiting: deque[tuple[Item, Future[Result]]], futures: Sequence[Future[Result]], patience_s: float) -> None:
    """Begin no further item, and wait a while for those that were begun."""
    with suppress(IndexError):  # a thread may have taken the last one
        while True:
            _, unbegun = waiting.popleft()
            unbegun.cancel()
            unbegun.set_running_or_notify_cancel()
    if patience_s:
        wait(futures, patience_s)
