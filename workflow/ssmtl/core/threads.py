"""Work that threads do ahead of its use, in bounded amounts."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from ssmtl.core.machine import cores


def prefetched(items: Iterable, depth: int) -> Iterator:
    """The items, each made by one thread up to `depth` of them ahead of its use.

    An error in making an item is raised where the item would be used.
    """
    items, end = iter(items), object()
    pool = ThreadPoolExecutor(1)
    try:
        pending = deque(pool.submit(next, items, end) for _ in range(depth))
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, items, end))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(function: Callable, items: Iterable, threads: int = 0, waiting: int = 0) -> Iterator:
    """`map` by threads, as many as there are cores, in order.

    At most `waiting` results, or two for each thread, are there before they are asked for.
    """
    threads = threads or cores()
    items, pool = iter(items), ThreadPoolExecutor(threads)
    try:
        some = islice(items, waiting or 2 * threads)
        queue = deque(pool.submit(function, item) for item in some)
        while queue:
            yield queue.popleft().result()
            queue.extend(pool.submit(function, item) for item in islice(items, 1))
    finally:  # also where the caller stops early, or an item fails
        pool.shutdown(cancel_futures=True)
