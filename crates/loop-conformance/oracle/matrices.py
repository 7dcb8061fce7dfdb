"""Every combination of what can meet in a `wait_for`, a `gather` and a `wait`: programs, named for their cell."""
import itertools

ALL_CAUGHT = [["Cancelled", []], ["Any", []]]
"""Handlers under which main goes on, whatever comes."""


def programs():
    """All of them."""
    for kind in (wait_fors, gathers, waits):
        for name, main in kind():
            yield {"id": name, "main": main}


def watched(ops):
    """These ops, with the counts and the outcomes after them."""
    return [["try", ops, ALL_CAUGHT, None], ["cancelling"], ["sleep", 0], ["log", "after"]]


# ---------------------------------------------------------------- wait_for

ENDS = {"value": ["return", 7], "error": ["raise", "A"], "cancels-itself": ["cancel_self"]}
MOMENTS = {"before": 4, "at-the-same-time": 5, "after": 6}


def wait_fors():
    """When the inner ends, how it ends, whether it heeds a cancel, and what else comes at 5 us."""
    for (moment, at), (how, end), heeds, other, task in itertools.product(
            MOMENTS.items(), ENDS.items(), (True, False), ("timeout", "cancel", "timeout-0"), (True, False)):
        inner = [["sleep", at], end] if how != "cancels-itself" else [["sleep", at], end, ["sleep", 0]]
        if not heeds:
            inner = [["try", inner[:1], [["Cancelled", [["sleep", 2]]]], None]] + inner[1:]
        limit = {"timeout": 5, "cancel": 50, "timeout-0": 0}[other]
        ops = [["spawn", "inner", inner]] if task else []
        if task and other == "timeout-0":
            ops.append(["sleep", 0])
        ops.append(["wait_for_task", limit, "inner"] if task else ["wait_for", limit, inner])
        caller = [["spawn", "caller", watched(ops)]]
        if other == "cancel":
            caller += [["call_later", "h", 5, [["cancel", "caller"]]]]
        name = f"wait_for {'task' if task else 'coroutine'}: {how} {moment}, {'heeds' if heeds else 'refuses'}, {other}"
        yield name, caller + [["wait", ["caller"], None, "ALL_COMPLETED"], ["state", "caller"], ["state", "inner"]]


# ---------------------------------------------------------------- gather

CHILDREN = {
    "value": [["sleep", 2], ["return", 1]],
    "error": [["sleep", 2], ["raise", "A"]],
    "cancels-itself": [["sleep", 2], ["cancel_self"], ["sleep", 0]],
    "refuses": [["try", [["sleep", 9]], [["Cancelled", [["sleep", 1]]]], None], ["return", 2]],
}


def gathers():
    """A child's outcome, beside one that takes 4 us; `return_exceptions`; whom a cancel reaches, and when."""
    cancels = {"none": [], "caller-before": [["cancel_self"]]}
    for moment, at in (("during", 1), ("between-the-children", 3), ("with-the-last", 4), ("after", 20)):
        for target in ("caller", "G", "child"):
            cancels[f"{target}-{moment}"] = [["call_later", f"h {target} {moment}", at, [["cancel", target]]]]
    for (how, child), keeps, (when, cancel) in itertools.product(CHILDREN.items(), (True, False), cancels.items()):
        children = [["spawn", "child", child], ["spawn", "other", [["sleep", 4], ["return", 3]]]]
        late = cancel if when == "caller-before" else []
        early = [] if late else cancel
        caller = ["spawn", "caller", watched(children + early + late + [["gather", "G", ["child", "other"], keeps]])]
        name = f"gather: child {how}, {'keeps errors' if keeps else 'fails'}, cancel {when}"
        yield name, [caller, ["wait", ["caller"], None, "ALL_COMPLETED"], ["state", "G"], ["sleep", 30], ["state", "G"],
                     ["state", "child"], ["state", "other"]]


# ---------------------------------------------------------------- wait

def waits():
    """What it waits for, until when, with and without a timeout and a cancel."""
    sets = {
        "one": ["slow"],
        "twice the same": ["slow", "slow"],
        "none": ["nobody"],
        "done": ["done", "failed"],
        "done and not": ["done", "slow"],
        "all kinds": ["done", "failed", "cancelled", "quick", "slow", "fails", "future"],
    }
    cast = [["future", "done"], ["set_result", "done", 1], ["future", "failed"], ["set_exception", "failed", "A"],
            ["future", "cancelled"], ["cancel", "cancelled"], ["future", "future"],
            ["spawn", "quick", [["return", 2]]], ["spawn", "slow", [["sleep", 6], ["return", 3]]],
            ["spawn", "fails", [["sleep", 2], ["raise", "B"]]], ["call_later", "h", 4, [["set_result", "future", 5]]]]
    whens = ("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED")
    for (what, names), when, timeout, cancel in itertools.product(sets.items(), whens, (None, 0, 2, 50), (None, 2, 6)):
        caller = [["spawn", "caller", watched([["wait", names, timeout, when]])]]
        if cancel is not None:
            caller.append(["call_later", "c", cancel, [["cancel", "caller"]]])
        name = f"wait: {what}, {when}, timeout {timeout}, cancel {cancel}"
        yield name, cast + caller + [["await", "caller"]]
