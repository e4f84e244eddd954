"""The same work on several things at once: things in, results in their order out. Knows nothing of what the work is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

TICK_S = 0.5


def in_parallel(
    work: Callable[[Item], Result], items: Sequence[Item], *, threads: int, name: str, grace_s: float = 0.0
) -> list[Result]:
    """Do the work for all items, several at once, and give what it returns for each, in their order.

    After an interrupt no further item is begun, and those at work are not waited for long, not even by the interpreter
    at its exit, as with ThreadPoolExecutor: a guest that is gone may take minutes to be given up.

    :param name: of the threads, for logs.
    :param grace_s: seconds that those at work have left after an interrupt.
    :raises: the first error that the work raised, once all is done.
    """
    if len(items) == 1:
        return [work(items[0])]
    return as_they_come(work, items, threads=threads, name=name, grace_s=grace_s)


def as_they_come(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, name: str, grace_s: float = 0.0
) -> list[Result]:
    """Do as ``in_parallel`` for items that come one after the other: each is begun as soon as it is there."""
    crew = _Crew(work, threads, name)
    try:
        for item in items:
            crew.add(item)
        while wait(crew.futures, TICK_S).not_done:
            pass  # a signal that came just before the wait is handled between two of them
    except BaseException:
        wait([future for future in crew.futures if not future.cancel()], grace_s)
        raise
    finally:
        crew.dismiss()
    return [future.result() for future in crew.futures]


class _Crew(Generic[Item, Result]):
    """Threads that take items until they are dismissed; as many as there is work for."""

    def __init__(self, work: Callable[[Item], Result], most: int, name: str) -> None:
        self.futures: list[Future[Result]] = []
        self._work, self._most, self._name = work, most, name
        self._waiting: SimpleQueue[tuple[Item, Future[Result]] | None] = SimpleQueue()
        self._started = 0

    def add(self, item: Item) -> None:
        """Have a thread take the item; start one more, as long as there are fewer than may be."""
        future = Future[Result]()
        self.futures.append(future)
        self._waiting.put((item, future))
        if self._started < self._most:
            Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
            self._started += 1

    def dismiss(self) -> None:
        """End each thread once it has nothing left to take."""
        for _ in range(self._started):
            self._waiting.put(None)

    def _serve(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            item, future = next_one
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._work(item))
            except BaseException as failure:
                future.set_exception(failure)
