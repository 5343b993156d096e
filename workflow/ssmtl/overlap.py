"""Work that threads do ahead of its use, in bounded amounts."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


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
