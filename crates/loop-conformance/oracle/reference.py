"""Runs a program on CPython's asyncio, in virtual time, and writes down what happened."""
import asyncio
import contextlib
import re

import definite
import translate
import virtual

QUEUES = {"fifo": asyncio.Queue, "lifo": asyncio.LifoQueue, "priority": asyncio.PriorityQueue}
CONTINUES = object()

_immortal = []
"""Tasks that a program left pending. Collected as garbage they would run their `finally` blocks in a later program."""


class UserError(Exception):
    """An error of the program's own: kind A, B or C."""


KINDS = {
    asyncio.CancelledError: "Cancelled",
    TimeoutError: "Timeout",
    asyncio.InvalidStateError: "InvalidState",
    asyncio.QueueFull: "QueueFull",
    asyncio.QueueEmpty: "QueueEmpty",
    asyncio.QueueShutDown: "QueueShutDown",
    asyncio.BrokenBarrierError: "BrokenBarrier",
}


TOO_OFTEN = {
    "BoundedSemaphore released too many times": "ReleasedTooOften",
    "task_done() called too many times": "TooManyTaskDone",
}
"""Errors that only their text tells from others."""


def kind(error):
    """The name that a trace gives to an error. What no program should meet begins with `Internal`."""
    if isinstance(error, UserError):
        return error.args[0]
    if isinstance(error, BaseExceptionGroup):
        return f"Group({','.join(map(kind, error.exceptions))})"
    return KINDS.get(type(error)) or TOO_OFTEN.get(str(error)) or f"Internal:{type(error).__name__}:{error}"[:90]


def matches(pattern, error):
    """Whether a handler for `pattern` takes the error."""
    if pattern == "Any":
        return isinstance(error, Exception)
    if pattern == "Group":
        return isinstance(error, BaseExceptionGroup)
    return kind(error) == pattern


def plain(value):
    """A value as it stands in a trace: errors, also inside lists, become their kinds."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return kind(value) if isinstance(value, BaseException) else value


def outcome(future):
    """What has become of a task, future or gather."""
    if not future.done():
        return "pending"
    if future.cancelled():
        return "cancelled"
    return plain(future.exception() or future.result())


def looks(thing):
    """What can be seen of a sync object or a timeout: its `repr`, without what is Python's own."""
    if isinstance(thing, asyncio.Timeout):
        return f"expired {str(thing.expired()).lower()}"
    text = re.sub(r" object at 0x[0-9a-f]+| at 0x[0-9a-f]+|asyncio\.locks\.", "", repr(thing))
    if isinstance(thing, asyncio.Queue) and not thing.empty():
        text = re.sub(r"_queue=\[[^]]*\]", f"_queue[{thing.qsize()}]", text)
    return text


class Run:
    """One program on one loop: the table of names, the trace, and what the translated program calls."""

    def __init__(self, program):
        self.program = program
        self.loop = virtual.VirtualLoop()
        self.env, self.tasks, self.trace, self.callbacks = {}, {}, [], {}

    def vocabulary(self):
        """The names that a translated program uses."""
        own = ("env loop note on_done remove_callback eager reported spawn spawn_eager spawn_in present wait as_completed reschedule").split()
        shared = (asyncio, UserError, CONTINUES, QUEUES, kind, matches, plain, outcome, looks, definite.TaskGroup)
        words = "asyncio UserError CONTINUES QUEUES kind matches plain outcome looks TaskGroup".split()
        return dict(zip(words, shared)) | {word: getattr(self, word) for word in own}

    # ------------------------------------------------------------ what a translated program calls

    def note(self, who, *what):
        self.trace.append([self.loop.time(), who, *what])

    def on_done(self, label):
        """A done callback that notes the outcome."""
        self.callbacks[label] = lambda future: self.note("loop", "done", label, outcome(future))
        return self.callbacks[label]

    def remove_callback(self, future, label):
        """Whether a future had the callback that notes this label."""
        return bool(future.remove_done_callback(self.callbacks.get(label)))

    def eager(self, on):
        """Makes tasks eager from here on, or not."""
        self.loop.set_task_factory(virtual.RecordedTask.make_eager if on else virtual.RecordedTask.make)

    @contextlib.contextmanager
    def reported(self):
        """An op of a callback: its error is noted, and the next op runs. (A `CancelledError` is no `Exception`.)"""
        try:
            yield
        except Exception as error:
            self.note("loop", "error", kind(error))

    def adopt(self, name, task):
        self.env[name] = self.tasks[name] = task
        return task

    def spawn(self, name, body):
        return self.adopt(name, self.loop.create_task(body(), name=name))

    def spawn_eager(self, name, body):
        self.adopt(name, virtual.RecordedTask(body(), loop=self.loop, name=name, eager_start=True))

    def spawn_in(self, me, group):
        """How to spawn a task in a group; a group that is over says no."""
        def spawn(name, body):
            coro = body()
            try:
                task = self.env[group].create_task(coro, name=name)
            except RuntimeError:
                coro.close()
                self.note(me, "group_closed", group)
            else:
                self.adopt(name, task)
        return spawn

    def present(self, names):
        """What the table holds of these names."""
        return [self.env[name] for name in names if name in self.env]

    async def wait(self, me, names, timeout, when):
        known = {self.env[name]: name for name in names if name in self.env}
        if known:
            done, pending = await asyncio.wait(known, timeout=timeout, return_when=when)
            self.note(me, "waited", sorted(map(known.get, done)), sorted(map(known.get, pending)))

    async def as_completed(self, me, names, timeout):
        for upcoming in definite.CompletionOrder(self.present(names), timeout):
            try:
                value = plain(await upcoming)
            except (UserError, BaseExceptionGroup) as error:
                value = kind(error)
            self.note(me, "next", value)

    def reschedule(self, timeout, delay):
        """A timeout that is over, or about to be, is left alone."""
        with contextlib.suppress(RuntimeError):
            timeout.reschedule(None if delay is None else self.loop.time() + delay)

    # ------------------------------------------------------------ from start to end

    def trace_of(self):
        """Runs the program and returns its trace."""
        try:
            self.to_the_end(self.compiled())
        except virtual.Stuck:
            self.note("main", "stuck")
        tasks = {name: outcome(task) for name, task in sorted(self.tasks.items())}
        self.abandon()
        return {"id": self.program["id"], "trace": self.trace, "tasks": tasks}

    def compiled(self):
        """The program's coroutine function `main`."""
        scope = self.vocabulary()
        exec(compile(translate.translate(self.program), self.program["id"], "exec"), scope)
        return scope["main"]

    def to_the_end(self, body):
        """Runs main, then cancels what is left and waits for it."""
        main = self.spawn("main", body)
        self.loop.call_at(virtual.LIMIT_US, lambda: self.note("loop", "limit", main.cancel()))
        with contextlib.suppress(Exception, asyncio.CancelledError):
            self.loop.run_until_complete(main)
        self.note("main", "end", outcome(main))
        rest = self.loop.unfinished()
        for task in rest:
            task.cancel()
        if rest:
            self.loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        self.note("main", "closed")

    def abandon(self):
        """Closes the loop and forgets its tasks, except those that still stand somewhere."""
        for task in self.loop.unfinished():
            task._log_destroy_pending = False
            _immortal.append(task)
        self.loop.close()


def run(program):
    """The trace of a program."""
    return Run(program).trace_of()
