"""Small situations that programs are made of: one op, or a few that together lead into a corner.

A situation is a function of the stage and the spot, registered with its family and its weight. It returns ops, or `None`
where the stage has not what it needs.
"""
from building import batch, body, callback_ops, poke, scenes, settling, short_body, situation, spawning, using, waiting
from stage import THINGS

WHEN = ("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED")


# ---------------------------------------------------------------- tasks

@situation("basic", 5)
def log(stage, spot):
    return [stage.log()]


@situation("basic", 6)
def nap(stage, spot):
    return [stage.nap()] + ([stage.log()] if stage.chance(0.5) else [])


@situation("basic", 4, names=True, room=3)
def spawn(stage, spot):
    return [spawning(stage, spot)]


@situation("basic", 4, names=True, room=2)
def spawn_and_await(stage, spot):
    ops = [spawning(stage, spot, short_body(stage))]
    if stage.chance(0.4):
        ops.append(stage.nap())
    return ops + [["await", ops[0][1]]]


@situation("basic", 4)
def await_(stage, spot):
    name = stage.awaitable()
    return name and [["await", name]] * stage.pick(1, 1, 1, 2)


@situation("basic", 1)
def state(stage, spot):
    return [["state", stage.target(spot)]]


@situation("basic", 2, room=3)
def try_(stage, spot):
    inside = spot.deeper()
    attempt = scenes(stage, inside, 1, 2) + ([stage.raise_()] if stage.chance(0.3) else [])
    handlers = [[pattern, scenes(stage, inside, 0, 1) + ([["reraise"]] if stage.chance(0.2) else [])]
                for pattern in stage.some(["A", "B", "C", "Any", "Cancelled", "Timeout", "Group", "InvalidState"], 2)]
    final = scenes(stage, inside, 1, 1) if stage.chance(0.35) else None
    return [["try", attempt, handlers, final]]


@situation("basic", 1, room=2)
def repeat(stage, spot):
    return [["repeat", stage.pick(2, 3), scenes(stage, spot.deeper(repeated=True), 1, 2)]]


@situation("basic", 0.3)
def name_not_there(stage, spot):
    return [[stage.pick("await", "state", "cancel_handle"), "nobody"], stage.log()]


# ---------------------------------------------------------------- futures and callbacks

@situation("futures", 1.5, names=True)
def new_future(stage, spot):
    name = stage.name("f")
    stage.futures.append(name)
    return [["future", name], stage.calling([settling(stage, name)])]


@situation("futures", 2)
def settle(stage, spot):
    if not stage.futures:
        return None
    op = settling(stage, stage.pick(*stage.futures))
    return [op] if stage.chance(0.2) else [["try", [op], [["InvalidState", []]], None]]


@situation("futures", 2)
def add_callback(stage, spot):
    name = stage.awaitable()
    return name and [["add_callback", name, stage.name("L")] for _ in range(stage.pick(1, 1, 2))]


@situation("futures", 1)
def result(stage, spot):
    if not stage.futures:
        return None
    return [["try", [["result", stage.pick(*stage.futures)]], [["Any", []], ["Cancelled", []]], None]]


@situation("futures", 1.5, names=True)
def settle_and_look_at_once(stage, spot):
    """A future that is settled and asked, awaited or cancelled within one step."""
    name = stage.name("f")
    ops = [["future", name], ["add_callback", name, stage.name("L")], settling(stage, name), ["state", name],
           ["add_callback", name, stage.name("L")]]
    stage.futures.append(name)
    if "cancel" in stage.families:
        ops.insert(stage.random.randint(2, len(ops)), ["cancel", name])
    return [["try", ops + [["await", name]], [["Any", []], ["Cancelled", []]], None]]


@situation("callbacks", 3, names=True, room=1)
def call(stage, spot):
    return [stage.calling(callback_ops(stage, spot)) for _ in range(stage.pick(1, 1, 2))]


@situation("callbacks", 1)
def cancel_handle(stage, spot):
    return [["cancel_handle", stage.pick(*stage.handles)]] if stage.handles else None


@situation("callbacks", 1, names=True)
def handle_cancels_its_neighbour(stage, spot):
    """Two callbacks due together; the first takes the second out."""
    first, second, delay = stage.name("h"), stage.name("h"), stage.beat()
    return [["call_later", first, delay, [stage.log(), ["cancel_handle", second]]],
            ["call_later", second, stage.pick(delay, stage.beat()), [stage.log()]]]


# ---------------------------------------------------------------- cancellation

@situation("cancel", 4)
def cancel(stage, spot):
    ops = [["cancel", stage.target(spot)]]
    if stage.chance(0.25):
        ops.append(["cancel", stage.target(spot)])
    if stage.chance(0.2):
        ops.append(["await", ops[0][1]] if ops[0][1] not in (spot.me, "main") else stage.nap())
    return ops


@situation("cancel", 2.5, names=True)
def cancel_from_a_callback(stage, spot):
    """Cancels that meet the deadlines of their targets."""
    target = stage.target(spot)
    ops = [["cancel", target]]
    if stage.chance(0.3):
        ops.append(["cancel", stage.pick(target, stage.target(spot))])
    return [stage.calling(ops) for _ in range(stage.pick(1, 1, 2))]


@situation("cancel", 2.5)
def cancel_self(stage, spot):
    then = stage.pick([], [stage.nap()], [["uncancel"]], [["cancelling"]], [["uncancel"], stage.nap()], [stage.raise_()],
                      [["cancel_self"]], [waiting(stage, spot)], [["cancel_self"], ["uncancel"], stage.nap()])
    ops = [["cancel_self"]] + then
    return [["try", ops, [["Cancelled", [["cancelling"]]]], None]] if stage.chance(0.35) else ops


@situation("cancel", 1)
def counts(stage, spot):
    return [stage.pick(["cancelling"], ["uncancel"])]


@situation("cancel", 4)
def interrupted(stage, spot):
    """A wait that refuses to be cancelled, gives in after a while, fails instead, or waits again."""
    reply = [stage.log()] if stage.chance(0.5) else []
    reply += stage.pick([], [["reraise"]], [stage.nap(), ["reraise"]], [["uncancel"]], [stage.nap()], [stage.raise_()],
                        [["uncancel"], waiting(stage, spot)], [waiting(stage, spot)], [["cancel_self"], stage.nap()],
                        [["return", stage.value()]] if not spot.groups else [])
    final = stage.pick(None, None, [stage.nap()], [["cancelling"]])
    return [["try", [waiting(stage, spot)], [["Cancelled", reply]], final]]


@situation("cancel", 2, names=True, room=3)
def cancel_a_child(stage, spot):
    """A child that is cancelled before, while, or after it does something; then awaited."""
    child = spawning(stage, spot, interrupted(stage, spot.task(spot.me)) + short_body(stage))
    ops = [child] + ([stage.nap()] if stage.chance(0.7) else []) + [["cancel", child[1]]] * stage.pick(1, 1, 2)
    if stage.chance(0.5):
        ops.append(stage.nap())
    return ops + [["try", [["await", child[1]]], [["Cancelled", []], ["Any", []]], None]]


# ---------------------------------------------------------------- gather, shield, wait, as_completed

@situation("gather", 3, names=True, room=3)
def gather(stage, spot):
    ops, names = batch(stage, spot, 0, 3)
    if (more := stage.awaitable()) and stage.chance(0.4):
        names.insert(stage.random.randint(0, len(names)), more)
    name = stage.name("g")
    op = ["gather", name, names, stage.chance(0.4)]
    if "cancel" in stage.families and stage.chance(0.6):
        ops.append(stage.calling([["cancel", stage.pick(name, name, *names)] for _ in range(stage.pick(1, 1, 2))]))
    stage.gathers.append(name)
    return ops + [["try", [op], [["Cancelled", [["state", name]]], ["Any", []]], None] if stage.chance(0.4) else op]


@situation("gather", 2, names=True)
def gather_of_what_there_is(stage, spot):
    pool = stage.tasks + stage.futures + stage.gathers
    names = stage.some(pool, 3) + (["nobody"] if stage.chance(0.1) else [])
    names += names[:1] if stage.chance(0.15) else []
    name = stage.name("g")
    op = ["gather", name, names, stage.chance(0.5)]
    stage.gathers.append(name)
    return [op]


@situation("gather", 2, names=True, room=4)
def gather_met_between_its_children_and_itself(stage, spot):
    """The children are settled in one callback, and a cancel comes within it, or just after."""
    futures = [stage.name("f") for _ in range(stage.pick(1, 2, 2))]
    name = stage.name("g")
    cancel = [["cancel", stage.pick(name, spot.me)]]
    settles = [settling(stage, future) for future in futures]
    ops = [["future", future] for future in futures]
    if stage.chance(0.5):
        ops.append(stage.calling(settles + cancel))
    else:
        ops += [["call_soon", stage.name("h"), settles], ["call_soon", stage.name("h"), cancel]]
    if "cancel" not in stage.families:
        return None
    stage.futures += futures
    stage.gathers.append(name)
    ops.append(["try", [["gather", name, futures, stage.chance(0.5)]], [["Cancelled", []], ["Any", []]], None])
    return ops + [["state", name], ["cancelling"]]


@situation("gather", 1.5)
def shield(stage, spot):
    name = stage.awaitable()
    return name and [["try", [["shield", name]], [["Cancelled", [["state", name]]]], None] if stage.chance(0.5)
                     else ["shield", name]]


@situation("wait", 2.5, names=True, room=3)
def wait_for_a_batch(stage, spot):
    ops, names = batch(stage, spot, 1, 3)
    return ops + [["wait", names, stage.pick(None, stage.beat()), stage.pick(*WHEN)]]


@situation("wait", 1.5)
def wait(stage, spot):
    pool = stage.tasks + stage.futures + stage.gathers
    return [["wait", stage.some(pool, 3) + (["nobody"] if stage.chance(0.2) else []),
             stage.pick(None, stage.beat(), stage.later()), stage.pick(*WHEN)]]


@situation("wait", 3, names=True, room=3)
def as_completed_of_a_batch(stage, spot):
    ops, names = batch(stage, spot, 1, 3)
    names += stage.some(stage.futures, 1) if stage.chance(0.3) else []
    if stage.chance(0.3):
        ops.append(stage.nap())
    return ops + [["as_completed", names, stage.pick(None, None, stage.beat())]]


@situation("wait", 1)
def as_completed(stage, spot):
    return [["as_completed", stage.some(stage.tasks + stage.futures, 4), stage.pick(None, stage.later())]]


# ---------------------------------------------------------------- groups

def child_of(stage, spot, group):
    """The op that spawns a child in a group; many children are soon over, and others say when they are cut short."""
    name = stage.name("t")
    how = stage.random.random()
    if how < 0.4:
        ops = short_body(stage)
    elif how < 0.65 and "cancel" in stage.families:
        ops = [["try", [waiting(stage, spot), stage.nap()], [["Cancelled", [stage.log(), ["reraise"]]]], None]]
    else:
        ops = body(stage, spot.task(name), 1, 2)
    stage.tasks.append(name)
    return ["tg_spawn", group, name, ops]


@situation("groups", 5, names=True, room=4)
def taskgroup(stage, spot):
    name = stage.name("g")
    inside = spot.deeper(groups=spot.groups + (name,))
    ops = [child_of(stage, inside, name) for _ in range(stage.pick(0, 1, 2, 2, 3, 4))]
    ops += scenes(stage, inside, 0, 2)
    stage.old_groups.append(name)
    if "cancel" in stage.families and stage.chance(0.3):
        ops.append(stage.pick(["cancel_self"], ["cancel", spot.me]))
    if stage.chance(0.2):
        ops.append(stage.raise_())
    op = ["taskgroup", name, ops]
    return [["try", [op], [["Group", []], ["Cancelled", [["cancelling"], ["reraise"]]]], None] if stage.chance(0.5) else op]


@situation("groups", 3, names=True, room=2)
def spawn_in_a_group(stage, spot):
    """In one around this place; the task may be a child of it itself, and the group may be over."""
    return [child_of(stage, spot, stage.pick(*spot.groups))] if spot.groups else None


@situation("groups", 0.7, names=True)
def spawn_in_an_old_group(stage, spot):
    if not stage.old_groups:
        return None
    return [["tg_spawn", stage.pick(*stage.old_groups), stage.name("t"), short_body(stage)]]


@situation("groups", 1, names=True, room=4)
def a_child_fails_as_the_body_is_cancelled(stage, spot):
    """The child's error and the cancel of the body come at the same time, in one order or the other."""
    if "cancel" not in stage.families:
        return None
    group, child, delay = stage.name("g"), stage.name("t"), stage.beat()
    stage.tasks.append(child)
    stage.old_groups.append(group)
    asks = ["call_later", stage.name("h"), delay, [["cancel", spot.me]]]
    ops = [["tg_spawn", group, child, [["sleep", delay], stage.raise_()]], waiting(stage, spot)]
    op = ["taskgroup", group, ops[:1] + [asks] + ops[1:] if stage.chance(0.5) else [asks] + ops]
    return [["try", [op], [["Group", [["cancelling"]]], ["Cancelled", [["cancelling"]]]], None]]


# ---------------------------------------------------------------- timeouts

@situation("timeouts", 4, names=True, room=2)
def timeout(stage, spot):
    name = stage.name("w")
    inside = spot.deeper(timeouts=spot.timeouts + (name,))
    ops = scenes(stage, inside, 1, 2)
    stage.old_timeouts.append(name)
    op = ["timeout", name, stage.pick(0, None, stage.beat(), stage.beat(), stage.later()), ops]
    return [["try", [op], [["Timeout", [stage.log()]]], None] if stage.chance(0.6) else op]


@situation("timeouts", 1.5)
def reschedule(stage, spot):
    """One's own timeout, or another task's, which may be over."""
    pool = spot.timeouts * 3 + tuple(stage.old_timeouts[-2:])
    return [["reschedule", stage.pick(*pool), stage.pick(None, stage.beat(), stage.beat())]] if pool else None


@situation("timeouts", 1.5, names=True, room=3)
def timeouts_within_each_other(stage, spot):
    """Often due at the same time."""
    outer, inner, delay = stage.name("w"), stage.name("w"), stage.beat()
    innermost = ["timeout", inner, stage.pick(delay, stage.beat()), [waiting(stage, spot)]]
    if stage.chance(0.5):
        innermost = ["try", [innermost], [["Timeout", [stage.nap()]]], None]
    op = ["timeout", outer, delay, [innermost] + ([stage.nap()] if stage.chance(0.5) else [])]
    stage.old_timeouts += [outer, inner]
    return [["try", [op], [["Timeout", [["cancelling"]] if "cancel" in stage.families else []]], None]]


@situation("timeouts", 2.5, names=True, room=2)
def wait_for(stage, spot):
    ops = body(stage, spot.deeper(groups=()), 1, 2)
    limit = stage.pick(0, stage.beat(), stage.later())
    if "edges" in stage.families and limit == 0:
        limit = 1  # Where tasks are eager, asyncio takes the first step of what has no time.
    op = ["wait_for", limit, ops]
    return [["try", [op], [["Timeout", []]], None] if stage.chance(0.5) else op]


@situation("timeouts", 1.5)
def wait_for_task(stage, spot):
    name = stage.awaitable()
    if not name:
        return None
    op = ["wait_for_task", stage.pick(0, stage.beat(), stage.later()), name]
    return [["try", [op], [["Timeout", [["state", name]]], ["Any", []]], None] if stage.chance(0.5) else op]


# ---------------------------------------------------------------- sync objects

@situation("sync", 7)
def use(stage, spot):
    op = using(stage, spot)
    if op and stage.tasks and "cancel" in stage.families and stage.chance(0.2):
        return [op, ["cancel", stage.pick(*stage.tasks)]]
    return op and [op]


@situation("sync", 3)
def touch(stage, spot):
    op = poke(stage)
    return op and [op if op[0].startswith("event") else ["try", [op], [["QueueFull", []], ["QueueEmpty", []]], None]]


@situation("sync", 1.5)
def take_and_finish(stage, spot):
    name = stage.thing("queue")
    return name and [["get", name], ["task_done", name]]


@situation("sync", 1, room=3)
def hold_and_do_more(stage, spot):
    name = stage.thing("lock", "semaphore")
    return name and [["with", name, scenes(stage, spot.deeper(), 1, 2)]]


@situation("sync", 0.5, names=True)
def new_thing(stage, spot):
    return [stage.making(stage.pick(*THINGS))]


@situation("sync", 2, names=True, room=4)
def rivals(stage, spot):
    """Tasks that want the same object, and a cancel of one as another lets go of it."""
    name = stage.thing(*THINGS)
    if name is None:
        return None
    ops = []
    for _ in range(stage.pick(2, 3, 3, 4)):
        wants = [stage.nap()] if stage.chance(0.3) else []
        wants.append(using(stage, spot, name))
        if ops and "cancel" in stage.families and stage.chance(0.3):
            wants.append(["cancel", stage.pick(*ops)[1]])
        ops.append(spawning(stage, spot, wants))
    if "cancel" in stage.families:
        names = [op[1] for op in ops]
        ops.append(stage.calling([["cancel", stage.pick(*names)] for _ in range(stage.pick(1, 1, 2))]))
    return ops


# ---------------------------------------------------------------- what is rarely done

@situation("edges", 4)
def look(stage, spot):
    """What an object looks like from outside, now and in the middle of what others do with it."""
    name = stage.thing(*THINGS, "bounded")
    return name and [["look", name] if stage.chance(0.5) else ["call_soon", stage.name("h"), [["look", name]]]]


@situation("edges", 1)
def look_at_a_timeout(stage, spot):
    pool = list(spot.timeouts) + stage.old_timeouts
    return [["look", stage.pick(*pool)]] if pool else None


@situation("edges", 2.5, names=True)
def shut_a_queue_down(stage, spot):
    """While somebody waits at it, perhaps, and with somebody who comes behind."""
    name = stage.thing("queue")
    if name is None:
        return None
    ops = [["shutdown", name, stage.chance(0.4)]]
    if stage.chance(0.5):
        ops.insert(stage.random.randint(0, 1), poke_queue(stage, name, bare=True))
    if stage.chance(0.4):
        ops = [stage.calling(ops)]
    return guarded_from_queues(ops) + ([["look", name]] if stage.chance(0.3) else [])


@situation("edges", 2)
def poke_a_queue(stage, spot):
    name = stage.thing("queue")
    return name and guarded_from_queues([poke_queue(stage, name)])


def poke_queue(stage, name, bare=False):
    at_once = [["put_nowait", name, stage.random.randint(0, 9)], ["get_nowait", name], ["task_done", name]]
    return stage.pick(*at_once) if bare else stage.pick(*at_once, ["put", name, 1], ["get", name], ["join_queue", name])


def guarded_from_queues(ops):
    return [["try", ops, [[kind, []] for kind in ("QueueFull", "QueueEmpty", "QueueShutDown", "TooManyTaskDone")], None]]


@situation("edges", 4)
def take_and_give_back(stage, spot):
    """Places that are taken and given back by whoever likes, in whatever number."""
    name = stage.thing("semaphore", "bounded", "bounded")
    if name is None:
        return None
    ops = stage.pick([["take", name]], [["take", name], stage.nap(), ["release", name]], [["release", name]],
                     [["release", name], ["take", name]], [["take", name], ["release", name], ["release", name]])
    if len(ops) == 1 and stage.chance(0.3):
        ops = [stage.calling([["release", name]])]
    return [["try", ops, [["ReleasedTooOften", []]], None]] + ([["look", name]] if stage.chance(0.3) else [])


@situation("edges", 2, names=True)
def remove_a_callback(stage, spot):
    """Before what it waits for is done, after that, or in between."""
    name, labels = stage.awaitable(), [stage.name("L") for _ in range(stage.pick(1, 2, 3))]
    if name is None:
        return None
    removal = [["remove_callback", name, stage.pick(*labels)] for _ in range(stage.pick(1, 1, 2))]
    ops = [["add_callback", name, label] for label in labels]
    if stage.chance(0.3) and name in stage.futures:
        ops.append(["try", [settling(stage, name)], [["InvalidState", []]], None])
    if stage.chance(0.4):
        return ops + [stage.calling(removal)]
    return ops + ([stage.nap()] if stage.chance(0.5) else []) + removal


@situation("edges", 1.5)
def change_how_tasks_begin(stage, spot):
    return [["eager", stage.chance(0.5)]]
