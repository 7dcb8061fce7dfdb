"""What a program under construction has: its names, its pace, and how much it may still grow."""
import dataclasses
import random

FAMILIES = {
    "tasks": {"basic", "futures", "callbacks"},
    "cancel": {"basic", "futures", "callbacks", "cancel"},
    "groups": {"basic", "futures", "cancel", "gather", "wait", "groups", "timeouts"},
    "sync": {"basic", "cancel", "timeouts", "sync"},
    "all": {"basic", "futures", "callbacks", "cancel", "gather", "wait", "groups", "timeouts", "sync"},
    "eager": {"basic", "futures", "callbacks", "cancel", "gather", "wait", "groups", "timeouts", "sync", "eager"},
    "contend": {"basic", "cancel", "timeouts", "sync"},
    "edges": {"basic", "futures", "callbacks", "cancel", "gather", "wait", "groups", "timeouts", "sync", "edges"},
}
"""The families of ops that each profile draws from."""

PACES = [[0], [0, 0, 1], [0, 1, 1, 2], [0, 1, 2, 3], [0, 2, 4], [0, 10, 20, 30], [0, 0, 7, 14, 1_000], [5, 10, 500_000]]
"""Delays in microseconds. A program keeps to one row, and rows keep to multiples: so its deadlines coincide."""

THINGS = ("event", "lock", "semaphore", "queue", "condition", "barrier")
"""The kinds of sync objects."""


@dataclasses.dataclass(frozen=True)
class Spot:
    """A place in a program: where in it the next ops will stand."""

    me: str
    depth: int = 0
    groups: tuple = ()
    timeouts: tuple = ()
    repeated: bool = False

    def deeper(self, **changes):
        return dataclasses.replace(self, depth=self.depth + 1, **changes)

    def task(self, me):
        """The start of a task's body: what it stands in is the same, but no timeout is its own."""
        return dataclasses.replace(self, me=me, depth=self.depth + 1, timeouts=(), repeated=False)


class Stage:
    """The pools of names from which ops draw.

    A body can await only names that were finished before it began, so that no task can wait for itself, around however
    many corners. It may cancel, or ask the state of, any name.
    """

    def __init__(self, seed, profile):
        self.random = random.Random(f"{profile} {seed}")
        self.families = FAMILIES[profile]
        self.pace = self.random.choice(PACES)
        self.room = self.random.choice([8, 14, 20, 28, 40])
        self.count = 0
        self.tasks, self.futures, self.gathers, self.handles = [], [], [], []
        self.old_groups, self.old_timeouts = [], []
        self.things = {what: [] for what in THINGS + ("bounded",)}

    # ------------------------------------------------------------ chance

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, *options):
        return self.random.choice(options)

    def some(self, pool, most):
        """Up to `most` of a pool, at least one where it has any."""
        pool = list(pool)
        return self.random.sample(pool, min(len(pool), self.random.randint(1, most)))

    def beat(self):
        """A delay."""
        return self.random.choice(self.pace)

    def later(self):
        """A delay that is not 0."""
        return self.beat() or self.pace[-1] or 1

    def value(self):
        return self.random.choice([0, 1, 2, 3, self.random.randint(4, 99), "v", None, True, [1, "w"]])

    # ------------------------------------------------------------ names

    def name(self, prefix):
        self.count += 1
        return f"{prefix}{self.count}"

    def awaitable(self):
        """A task, future or gather that may be awaited; `None` where there is none."""
        pool = self.tasks * 2 + self.futures + self.gathers
        return self.random.choice(pool) if pool else None

    def target(self, spot):
        """Whom to cancel or to ask: sometimes the task itself, or main."""
        if self.chance(0.08):
            return self.pick(spot.me, "main")
        return self.awaitable() or spot.me

    def thing(self, *kinds):
        """A sync object of one of these kinds, or `None`."""
        pool = [name for kind in kinds for name in self.things[kind]]
        return self.random.choice(pool) if pool else None

    # ------------------------------------------------------------ common ops

    def log(self):
        return ["log", self.name("L")]

    def nap(self):
        return ["sleep", self.beat()]

    def raise_(self):
        return ["raise", self.pick(*"ABC")]

    def calling(self, ops):
        """These ops in a callback, soon or later."""
        handle = self.name("h")
        self.handles.append(handle)
        how = self.random.random()
        if how < 0.45:
            return ["call_soon", handle, ops]
        if how < 0.85:
            return ["call_later", handle, self.beat(), ops]
        return ["call_at", handle, self.beat() * self.random.randint(0, 3), ops]

    def making(self, what):
        """The op that makes a sync object, which joins its pool."""
        name = self.name(what[0])
        self.things[what].append(name)
        if what == "semaphore" and "edges" in self.families and self.chance(0.5):
            self.things[what].remove(name)
            self.things["bounded"].append(name)
            return ["bounded", name, self.pick(1, 1, 2)]
        if what == "semaphore":
            return [what, name, self.pick(1, 1, 2, 3)]
        if what == "queue":
            return [what, name, self.pick("fifo", "fifo", "lifo", "priority"), self.pick(0, 1, 1, 2)]
        if what == "barrier":
            return [what, name, self.pick(1, 2, 2, 3)]
        return [what, name]
