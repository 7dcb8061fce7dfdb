"""What situations are built of: the choice of one, bodies of tasks, batches of children, ops that wait."""
from stage import THINGS

ALL = []
"""(family, weight, function, whether it makes names, whether it needs room)."""


def situation(family, weight, *, names=False, room=0):
    """Registers a situation. One that makes names stays out of `repeat`; one that needs room ends with the room."""
    def register(function):
        ALL.append((family, weight, function, names, room))
        return function
    return register


def scene(stage, spot):
    """One situation, chosen by weight among those that can be here."""
    menu = [entry for entry in ALL if entry[0] in stage.families
            and not (entry[3] and spot.repeated) and (not entry[4] or (entry[4] <= stage.room and spot.depth < 4))]
    while True:
        function = stage.random.choices(menu, [entry[1] for entry in menu])[0][2]
        ops = function(stage, spot)
        if ops is not None:
            stage.room -= len(ops)
            return ops


def scenes(stage, spot, least, most):
    return [op for _ in range(stage.random.randint(least, most)) for op in scene(stage, spot)]


def body(stage, spot, least=1, most=3):
    """The body of a task: a few situations and an end."""
    ops = scenes(stage, spot, least, most)
    if stage.chance(0.3):
        ops.append(["return", stage.value()])
    elif stage.chance(0.25):
        ops.append(stage.raise_())
    return ops


def spawning(stage, spot, ops=None):
    """The op that spawns a task, which joins the pool."""
    name = stage.name("t")
    ops = body(stage, spot.task(name)) if ops is None else ops
    stage.tasks.append(name)
    return ["spawn_eager" if "eager" in stage.families and stage.chance(0.5) else "spawn", name, ops]


def short_body(stage):
    """A child that is soon over, so that its end meets other events."""
    ops = [stage.nap()] if stage.chance(0.8) else []
    if stage.chance(0.2):
        ops.append(stage.nap())
    return ops + [stage.pick(["return", stage.value()], stage.log(), stage.raise_())]


def batch(stage, spot, least, most):
    """A few children: the ops that spawn them, and their names."""
    ops = []
    for _ in range(stage.random.randint(least, most)):
        ops.append(spawning(stage, spot, short_body(stage) if stage.chance(0.6) else None))
    return ops, [op[1] for op in ops]


def callback_ops(stage, spot):
    """What a callback does."""
    ops = []
    for _ in range(stage.pick(1, 1, 2, 3)):
        choice = stage.random.random()
        if choice < 0.2 and stage.futures:
            ops.append(settling(stage, stage.pick(*stage.futures)))
        elif choice < 0.45 and "cancel" in stage.families:
            ops.append(["cancel", stage.target(spot)])
        elif choice < 0.65 and "sync" in stage.families and (op := poke(stage)):
            ops.append(op)
        elif choice < 0.75 and stage.room > 6 and spot.depth < 3 and not spot.repeated:
            ops.append(spawning(stage, spot.deeper(timeouts=(), groups=())))
        elif choice < 0.82 and stage.handles:
            ops.append(["cancel_handle", stage.pick(*stage.handles)])
        elif choice < 0.88 and not spot.repeated:
            ops.append(stage.calling([stage.log()]))
        elif choice < 0.92:
            ops.append(["state", stage.target(spot)])
        else:
            ops.append(stage.log())
    return ops


def settling(stage, future):
    if stage.chance(0.7):
        return ["set_result", future, stage.value()]
    return ["set_exception", future, stage.pick(*"ABC")]


def poke(stage):
    """A touch of a sync object that never suspends; its errors are left to the caller."""
    what = stage.pick("event", "event", "queue")
    name = stage.thing(what)
    if name is None:
        return None
    if what == "event":
        return [stage.pick("event_set", "event_set", "event_clear"), name]
    return stage.pick(["put_nowait", name, stage.random.randint(0, 9)], ["get_nowait", name])


def waiting(stage, spot):
    """An op that waits, for use where something else will interrupt it."""
    options = [stage.nap(), ["sleep", stage.later()]]
    if name := stage.awaitable():
        options += [["await", name], ["await", name]]
        if "gather" in stage.families:
            options.append(["shield", name])
        if "timeouts" in stage.families:
            options.append(["wait_for_task", stage.beat(), name])
    if "sync" in stage.families and (use := using(stage, spot)):
        options.append(use)
    return stage.pick(*options)


def using(stage, spot, name=None):
    """One op on a sync object that may wait."""
    kinds = [what for what in THINGS if stage.things[what] and (name is None or name in stage.things[what])]
    if not kinds:
        return None
    what = stage.pick(*kinds)
    name = name or stage.thing(what)
    hold = [stage.nap() for _ in range(stage.pick(0, 1, 1, 2))] + [stage.log()]
    if what in ("lock", "semaphore"):
        return ["with", name, hold]
    if what == "event":
        return ["event_wait", name]
    if what == "queue":
        return stage.pick(["put", name, stage.random.randint(0, 9)], ["put", name, stage.random.randint(0, 9)], ["get", name],
                          ["get", name], ["join_queue", name])
    if what == "condition":
        return stage.pick(["cond_wait", name, hold], ["cond_wait", name, hold], ["notify", name, stage.pick(1, 1, 2)])
    return stage.random.choices([["barrier_wait", name], ["barrier_abort", name], ["barrier_reset", name]], [7, 0.7, 1])[0]
