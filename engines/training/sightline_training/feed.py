"""Batches made ahead of a training, in processes of their own, in order, and the clock that ends it.

A batch depends on (seed, step) alone, and on the share of the training that is done where a recipe's end differs from its
beginning; so a run of a given number of steps is the same with any number of processes.
"""

import collections
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator

_make: Callable | None = None


class Clock:
    """How much of a training is done, 0..1: by its steps, or by the time given for it.

    Given minutes, the cosine ends when they do, however many steps were reached; that number is in the checkpoint, and a
    training of that many steps repeats it nearly.
    """

    def __init__(self, steps: int, minutes: float | None = None):
        self.steps, self.minutes, self.began = steps, minutes, time.monotonic()

    def share(self, step: int) -> float:
        """The share that is done before `step`."""
        if self.minutes is None:
            return min(1.0, step / self.steps)
        return min(1.0, (time.monotonic() - self.began) / (60 * self.minutes))


def _begin(make: Callable) -> None:
    global _make
    _make = make


def _one(step: int, share: float):
    return _make(step, share)


def spare_cores() -> int:
    """Processes that make batches if nobody says how many: all cores but one, eight at most."""
    return max(1, min(8, (os.cpu_count() or 2) - 1))


def feed(make: Callable, clock: Clock, first: int, workers: int) -> Iterator:
    """Yields (step, share, what `make(step, share)` gives) for step first.. until the clock has run out.

    The processes start when this is called: call it before anything touches a GPU, which does not survive a fork.
    `make` must be picklable where processes cannot fork.
    """
    how = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    pool = multiprocessing.get_context(how).Pool(workers, _begin, (make,))
    return _ordered(pool, clock, first, 2 * workers + 2)


def _ordered(pool, clock: Clock, step: int, ahead: int) -> Iterator:
    waiting: collections.deque = collections.deque()
    with pool:
        while True:
            while len(waiting) < ahead and (share := clock.share(step)) < 1.0:
                waiting.append((step, share, pool.apply_async(_one, (step, share))))
                step += 1
            # Given minutes, what was made ahead is dropped when they end.
            if not waiting or (clock.minutes is not None and clock.share(step) >= 1.0):
                return
            number, share, batch = waiting.popleft()
            yield number, share, batch.get()
