"""Turns a script program into the Python program that it stands for.

Each op is a line or a block of plain asyncio code, so that CPython's own compiler, and nothing written here, decides what
`try`, `async with` and `return` mean. `oracle.py show` prints the result.
"""
import itertools

LINES = {
    # Ops that never suspend.
    "log": "note(me, 'log', {0})",
    "cancel": "note(me, 'cancel', {0}, env[{0}].cancel())",
    "future": "env[{0}] = loop.create_future()",
    "set_result": "env[{0}].set_result({1})",
    "set_exception": "env[{0}].set_exception(UserError({1}))",
    "add_callback": "env[{0}].add_done_callback(on_done({1}))",
    "remove_callback": "note(me, 'removed', {1}, remove_callback(env[{0}], {1}))",
    "result": "note(me, 'result', {0}, env[{0}].result())",
    "state": "note(me, 'state', {0}, outcome(env[{0}]))",
    "cancel_handle": "env[{0}].cancel()",
    "event": "env[{0}] = asyncio.Event()",
    "event_set": "env[{0}].set()",
    "event_clear": "env[{0}].clear()",
    "lock": "env[{0}] = asyncio.Lock()",
    "semaphore": "env[{0}] = asyncio.Semaphore({1})",
    "bounded": "env[{0}] = asyncio.BoundedSemaphore({1})",
    "release": "env[{0}].release()",
    "shutdown": "env[{0}].shutdown({1})",
    "look": "note(me, 'look', {0}, looks(env[{0}]))",
    "eager": "eager({0})",
    "queue": "env[{0}] = QUEUES[{1}]({2})",
    "condition": "env[{0}] = asyncio.Condition()",
    "barrier": "env[{0}] = asyncio.Barrier({1})",
    "put_nowait": "env[{0}].put_nowait({1})",
    "get_nowait": "note(me, 'item', {0}, env[{0}].get_nowait())",
    "task_done": "env[{0}].task_done()",
    # Ops of a task.
    "sleep": "await asyncio.sleep({0})",
    "await": "note(me, 'got', {0}, plain(await env[{0}]))",
    "shield": "note(me, 'got', {0}, plain(await asyncio.shield(env[{0}])))",
    "wait_for_task": "note(me, 'in_time', plain(await asyncio.wait_for(env[{1}], {0})))",
    "wait": "await wait(me, {0}, {1}, {2})",
    "as_completed": "await as_completed(me, {0}, {1})",
    "reschedule": "reschedule(env[{0}], {1})",
    "event_wait": "await env[{0}].wait()",
    "take": "await env[{0}].acquire()",
    "put": "await env[{0}].put({1})",
    "get": "note(me, 'item', {0}, await env[{0}].get())",
    "join_queue": "await env[{0}].join()",
    "barrier_wait": "note(me, 'barrier', {0}, await env[{0}].wait())",
    "barrier_abort": "await env[{0}].abort()",
    "barrier_reset": "await env[{0}].reset()",
    "cancel_self": "asyncio.current_task().cancel()",
    "cancelling": "note(me, 'cancelling', asyncio.current_task().cancelling())",
    "uncancel": "note(me, 'uncancel', asyncio.current_task().uncancel())",
    "return": "return {0}",
    "raise": "raise UserError({0})",
    "reraise": "raise",
}
"""An op without a body, as a line of Python; `{0}`, `{1}`, `{2}` are its arguments."""

LOOKED_UP = {
    "cancel": 0, "set_result": 0, "set_exception": 0, "add_callback": 0, "remove_callback": 0, "release": 0, "take": 0, "shutdown": 0, "look": 0, "result": 0, "state": 0, "cancel_handle": 0,
    "event_set": 0, "event_clear": 0, "put_nowait": 0, "get_nowait": 0, "task_done": 0, "await": 0, "shield": 0,
    "wait_for_task": 1, "reschedule": 0, "tg_spawn": 0, "event_wait": 0, "with": 0, "put": 0, "get": 0, "join_queue": 0,
    "cond_wait": 0, "notify": 0, "barrier_wait": 0, "barrier_abort": 0, "barrier_reset": 0,
}
"""Ops that do nothing while an argument (the one with this index) is not in the table of names."""

NEVER_SUSPEND = {
    "log", "spawn", "spawn_eager", "cancel", "future", "set_result", "set_exception", "add_callback", "result", "state",
    "call_soon", "call_later", "call_at", "cancel_handle", "event", "event_set", "event_clear", "lock", "semaphore", "queue",
    "condition", "barrier", "remove_callback", "bounded", "release", "shutdown", "look", "eager", "put_nowait", "get_nowait", "task_done",
}
"""Ops that are allowed in callbacks. Others do nothing there."""

DEEPEST = 5
"""Python refuses more than 20 nested blocks; from this depth on a `try` moves into a function of its own."""


def translate(program):
    """The Python source of a program: a module with one coroutine function, `main`."""
    return Translator().module(program["main"])


class Translator:
    """Writes Python, a line at a time."""

    def __init__(self):
        self.lines = []
        self.indent = 0
        self.serial = itertools.count(1)

    def module(self, ops):
        self.function("main", ops, "main")
        return "\n".join(self.lines) + "\n"

    # ------------------------------------------------------------ layout

    def line(self, text):
        self.lines.append("    " * self.indent + text)

    def block(self, head, ops=(), *, before=()):
        """A compound statement with ops as its body."""
        self.line(head)
        self.indent += 1
        for text in before:
            self.line(text)
        for op in ops:
            self.op(op)
        if not ops and not before:
            self.line("pass")
        self.indent -= 1

    def function(self, name, ops, me=None):
        """A coroutine function. Without a task's name of its own it speaks in that of the task around it."""
        outer, self.indent, self.lines = (self.indent, self.lines), 0, []
        self.block(f"async def {name}({'' if me is None else f'me={me!r}'}):", ops)
        body, (self.indent, self.lines) = self.lines, outer
        for text in body:
            self.line(text)

    def fresh(self, stem):
        return f"{stem}_{next(self.serial)}"

    # ------------------------------------------------------------ ops

    def op(self, op):
        """One op, behind a look-up of the name that it needs."""
        needed = LOOKED_UP.get(op[0])
        if needed is None:
            self.known(op)
            return
        self.line(f"if {op[1 + needed]!r} in env:")
        self.indent += 1
        self.known(op)
        self.indent -= 1

    def known(self, op):
        name, args = op[0], op[1:]
        if name in LINES:
            self.line(LINES[name].format(*map(repr, args)))
        else:
            getattr(self, "op_" + name)(*args)

    def op_spawn(self, task, body, how="spawn"):
        function = self.fresh("body")
        self.function(function, body, task)
        self.line(f"{how}({task!r}, {function})")

    def op_spawn_eager(self, task, body):
        self.op_spawn(task, body, "spawn_eager")

    def op_tg_spawn(self, group, task, body):
        self.op_spawn(task, body, f"spawn_in(me, {group!r})")

    def callback(self, handle, call, ops):
        """A callback: its ops run one by one, and an error of one does not keep the next from running."""
        function = self.fresh("callback")
        self.line(f"def {function}(me='loop'):")
        self.indent += 1
        for op in ops:
            if op[0] in NEVER_SUSPEND:
                self.block("with reported():", [op])
        self.line("pass")
        self.indent -= 1
        self.line(f"env[{handle!r}] = loop.{call}{function})")

    def op_call_soon(self, handle, ops):
        self.callback(handle, "call_soon(", ops)

    def op_call_later(self, handle, delay, ops):
        self.callback(handle, f"call_later({delay}, ", ops)

    def op_call_at(self, handle, when, ops):
        self.callback(handle, f"call_at({when}, ", ops)

    def op_repeat(self, count, ops):
        self.block(f"for _ in range({count}):", ops)

    def op_try(self, body, handlers, final):
        if self.indent > DEEPEST:
            self.apart(["try", body, handlers, final])
            return
        self.block("try:", body)
        self.line("except BaseException as error:")
        self.indent += 1
        for pattern, ops in handlers:
            self.block(f"if matches({pattern!r}, error):", [op for op in ops], before=["note(me, 'caught', kind(error))"])
            self.line("else:")
            self.indent += 1
        self.line("raise")
        self.indent -= 1 + len(handlers)
        if final:
            self.block("finally:", final)

    def apart(self, op):
        """An op in a function of its own, which hands on a `return` from inside."""
        function = self.fresh("part")
        outer, self.indent, self.lines = (self.indent, self.lines), 0, []
        self.block(f"async def {function}():", [op])
        self.lines.append("    return CONTINUES")
        body, (self.indent, self.lines) = self.lines, outer
        for text in body:
            self.line(text)
        self.line(f"if (value := await {function}()) is not CONTINUES:")
        self.line("    return value")

    def op_gather(self, name, names, return_exceptions):
        self.line(f"env[{name!r}] = asyncio.gather(*present({names!r}), return_exceptions={return_exceptions!r})")
        self.line(f"note(me, 'gathered', {name!r}, plain(await env[{name!r}]))")

    def op_wait_for(self, timeout, body):
        function = self.fresh("body")
        self.function(function, body)
        self.line(f"note(me, 'in_time', await asyncio.wait_for({function}(), {timeout}))")

    def op_timeout(self, name, delay, ops):
        self.block(f"async with asyncio.timeout({delay!r}) as env[{name!r}]:", ops)

    def op_taskgroup(self, name, ops):
        self.block(f"async with TaskGroup() as env[{name!r}]:", ops)

    def op_with(self, name, ops):
        self.block(f"async with env[{name!r}]:", ops)

    def op_cond_wait(self, name, ops):
        self.block(f"async with env[{name!r}]:", ops, before=[f"await env[{name!r}].wait()"])

    def op_notify(self, name, count):
        self.block(f"async with env[{name!r}]:", before=[f"env[{name!r}].notify({count})"])
