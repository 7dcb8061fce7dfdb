"""Random programs, by profile and seed."""
import building
import situations  # noqa: F401 (its situations register themselves)
from stage import THINGS, Spot, Stage


def program(profile, seed):
    """The program of a profile with this seed: always the same one."""
    stage = Stage(seed, profile)
    main = contention(stage) if profile == "contend" else story(stage)
    return {"id": f"{profile}-{seed}", "main": main}


def story(stage):
    """A program of many situations: what they need, somebody who keeps things going, and main's own deeds."""
    spot = Spot("main")
    ops = props(stage)
    promised = [building.spawning(stage, spot, building.body(stage, spot.task("main")))
                for _ in range(stage.pick(0, 1, 1, 2))]
    ops += patrons(stage)
    while promised or stage.room > 0:
        if promised and stage.chance(0.4):
            ops.append(promised.pop())
        else:
            ops += guarded(stage, building.scene(stage, spot))
            stage.room -= 1
    if stage.tasks and "wait" in stage.families and stage.chance(0.5):
        ops.append(["wait", stage.tasks, stage.later() * 3, "ALL_COMPLETED"])
    return ops + ([["return", stage.value()]] if stage.chance(0.2) else [])


def props(stage):
    """The futures and sync objects that are there from the start."""
    ops = []
    if "futures" in stage.families:
        for _ in range(stage.pick(0, 1, 1, 2)):
            stage.futures.append(stage.name("f"))
            ops.append(["future", stage.futures[-1]])
    if "sync" in stage.families:
        ops += [stage.making(what) for what in stage.some(THINGS, 3)]
    return ops


def patrons(stage):
    """Most of what a program waits for should come: somebody settles, sets, puts, takes, notifies and joins."""
    deeds = []
    for future in stage.futures:
        if stage.chance(0.75):
            deeds.append([building.settling(stage, future)])
    for event in stage.things["event"]:
        deeds.append([["event_set", event]])
    ops = [["call_later", stage.name("h"), stage.beat(), deed] for deed in deeds]
    chores = []
    for queue in stage.things["queue"]:
        chores += [["put", queue, stage.random.randint(0, 9)] for _ in range(3)] + [["get", queue] for _ in range(2)]
    chores += [["notify", condition, stage.pick(1, 2)] for condition in stage.things["condition"] for _ in range(3)]
    chores += [["barrier_wait", barrier] for barrier in stage.things["barrier"] for _ in range(2)]
    stage.random.shuffle(chores)
    for at in range(0, len(chores), 3):
        steps = [op for chore in chores[at:at + 3] for op in (stage.nap(), chore)]
        ops.append(["spawn", stage.name("p"), steps])
    return ops


def guarded(stage, ops):
    """Main survives most errors and most waits that never end."""
    if any(op[0] == "cancel_self" for op in ops) and stage.chance(0.7):
        return [["try", ops, [["Cancelled", [["cancelling"]]], ["Any", []]], None]]
    if not any(op[0] in LINGERING for op in ops):
        return ops
    if "timeouts" in stage.families and stage.chance(0.5):
        ops = [["timeout", stage.name("w"), stage.later() * 4, ops]]
    if stage.chance(0.75):
        ops = [["try", ops, [["Any", []]] + ([["Cancelled", []]] if stage.chance(0.3) else []), None]]
    return ops


LINGERING = {"await", "shield", "gather", "wait", "as_completed", "taskgroup", "timeout", "wait_for", "wait_for_task", "with",
             "event_wait", "put", "get", "join_queue", "cond_wait", "notify", "barrier_wait", "try", "raise", "repeat"}
"""Ops that can wait long, or fail."""


def contention(stage):
    """Many tasks on one kind of object; a few hands cancel, settle and time out around them."""
    kind = stage.pick("lock", "semaphore", "semaphore", "queue", "queue", "event", "condition", "condition", "barrier")
    ops = [stage.making(kind) for _ in range(stage.pick(1, 1, 1, 2))]
    workers = [["spawn", stage.name("t"), []] for _ in range(stage.random.randint(3, 7))]
    names = [worker[1] for worker in workers]
    for worker in workers:
        for _ in range(stage.pick(1, 1, 2, 3)):
            worker[2] += fight(stage, kind, names)
    ops += workers
    for _ in range(stage.random.randint(2, 6)):
        ops += disturbance(stage, kind, names)
    return ops + [["try", [["wait", names, stage.pick(5, 60), "ALL_COMPLETED"]], [["Cancelled", []]], None]]


def fight(stage, kind, names):
    """One use of an object by one of many."""
    spot = Spot("main")
    ops = [stage.nap()] if stage.chance(0.4) else []
    if stage.chance(0.1):
        ops.append(["cancel", stage.pick(*names)])
    wants = [building.using(stage, spot, stage.thing(kind))]
    if wants[0][0] in ("with", "cond_wait") and stage.chance(0.15):
        wants[0][2].append(["cancel", stage.pick(*names)])
    if kind == "event" and stage.chance(0.5):
        wants.append([stage.pick("event_set", "event_clear"), stage.thing(kind)])
    if kind == "queue" and stage.chance(0.2):
        wants = [["try", [stage.pick(["put_nowait", wants[0][1], 5], ["get_nowait", wants[0][1]])],
                  [["QueueFull", []], ["QueueEmpty", []]], None]]
    how = stage.random.random()
    if how < 0.2:
        wants = [["try", [["timeout", stage.name("w"), stage.beat(), wants]], [["Timeout", [stage.log()]]], None]]
    elif how < 0.4:
        reply = stage.pick([["reraise"]], [], [["uncancel"]], [stage.nap(), ["reraise"]], [stage.nap()] + wants)
        wants = [["try", wants, [["Cancelled", reply]], None]]
    elif how < 0.5:
        wants = [["try", wants, [["Any", [stage.log()]]], stage.pick(None, [stage.nap()])]]
    elif how < 0.58:
        wants = [["cancel_self"]] + wants
    elif how < 0.66:
        wants = [["wait_for", stage.beat(), wants]]
    elif how < 0.72:
        wants = [["repeat", 2, wants]]
    if stage.chance(0.35):  # In the very step in which it lets go, or hands over.
        wants.append(["cancel", stage.pick(*names)])
    return ops + wants


def disturbance(stage, kind, names):
    """What main does to the workers: most of it within one iteration."""
    spot = Spot("main")
    how = stage.random.random()
    cancels = [["cancel", stage.pick(*names)] for _ in range(stage.pick(1, 1, 2))]
    if how < 0.3:
        return [stage.nap()]
    if how < 0.55:
        return cancels
    if how < 0.8:
        pokes = [poke] if kind in ("event", "queue") and (poke := building.poke(stage)) else []
        return [stage.calling(pokes + cancels if stage.chance(0.5) else cancels + pokes)]
    wants = [building.using(stage, spot, stage.thing(kind))]
    if stage.chance(0.5):
        wants = [["timeout", stage.name("w"), stage.later(), wants]]
    return [["try", wants, [["Any", []], ["Cancelled", []]], None]]
