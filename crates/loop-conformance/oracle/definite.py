"""asyncio's classes whose traces hang on the order of a set, with that order made definite."""
import asyncio


class InsertionOrderedSet(dict):
    """As much of a set as asyncio uses, iterated in the order of insertion."""

    def __init__(self, members=()):
        super().__init__((member, None) for member in members)

    def add(self, member):
        self[member] = None

    def discard(self, member):
        self.pop(member, None)

    def remove(self, member):
        del self[member]


class TaskGroup(asyncio.TaskGroup):
    """Aborts its oldest task first."""

    def __init__(self):
        super().__init__()
        self._tasks = InsertionOrderedSet()


class CompletionOrder(asyncio.tasks._AsCompletedIterator):
    """`asyncio.as_completed` over futures: what is done already comes in the order given."""

    def __init__(self, futures, timeout):
        super().__init__((), None)
        self._todo = InsertionOrderedSet(futures)
        self._todo_left = len(self._todo)
        for future in self._todo:
            future.add_done_callback(self._handle_completion)
        if self._todo and timeout is not None:
            loop = asyncio.get_running_loop()
            self._timeout_handle = loop.call_later(timeout, self._handle_timeout)
