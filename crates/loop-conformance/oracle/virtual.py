"""An asyncio event loop without sockets, in virtual time.

CPython's own `BaseEventLoop` runs everything: its `_run_once`, its handles, its C tasks and futures. Only the place where
it would sleep is replaced: `Timeline` stands in for the selector, moves the clock to the next deadline when nothing is ready,
and hands over what is due.
"""
import asyncio
import heapq

LIMIT_US = 60_000_000
"""The virtual time at which a program's main task is cancelled. At twice this the run is given up."""


class Stuck(BaseException):
    """Nothing is ready, no timer is left, and somebody still waits; or virtual time has run out."""


class Timeline:
    """The clock and the timers: what a selector is to a real loop.

    asyncio leaves the order of equal deadlines to its heap. Here they are due in the order in which they were made.
    """

    def __init__(self):
        self.now_us = 0
        self._made = 0
        self._timers = []

    def add(self, handle):
        """Remembers a timer handle."""
        heapq.heappush(self._timers, (handle.when(), self._made, handle))
        self._made += 1

    def select(self, timeout):
        """What the loop calls once an iteration. It waits only when `timeout` is not 0."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if timeout == 0:
            return ()
        if not self._timers:
            raise Stuck
        self.now_us = max(self.now_us, self._timers[0][0])
        if self.now_us > 2 * LIMIT_US:
            raise Stuck
        return ()

    def due(self):
        """Takes the timers whose deadline has come, oldest deadline first."""
        while self._timers and self._timers[0][0] <= self.now_us:
            yield heapq.heappop(self._timers)[2]

    def close(self):
        """Part of a selector's interface; there is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop whose time is a whole number of microseconds. Delays are microseconds too."""

    def __init__(self):
        super().__init__()
        self._selector = Timeline()
        self.born = []
        self.set_task_factory(RecordedTask.make)
        self.set_exception_handler(lambda loop, context: None)

    def time(self):
        return self._selector.now_us

    def call_at(self, when, callback, *args, context=None):
        self._check_closed()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._selector.add(handle)
        return handle

    def _process_events(self, event_list):
        self._ready.extend(handle for handle in self._selector.due() if not handle.cancelled())

    def _write_to_self(self):
        """Wakes a selector that sleeps in another thread; this one never does."""

    def unfinished(self):
        """The tasks that are not done, in the order of their creation."""
        return [task for task in self.born if not task.done()]


class RecordedTask(asyncio.Task):
    """A task that its loop remembers from before its first step: an eager one runs inside its own constructor."""

    def __init__(self, coro, *, loop, **options):
        loop.born.append(self)
        super().__init__(coro, loop=loop, **options)

    @classmethod
    def make(cls, loop, coro, **options):
        """The loop's task factory."""
        return cls(coro, loop=loop, **options)

    @classmethod
    def make_eager(cls, loop, coro, **options):
        """The same for a loop whose tasks are all eager."""
        return cls(coro, loop=loop, eager_start=True, **options)
