"""Where two traces differ."""
import itertools


def is_stuck(trace):
    """Whether asyncio never came to the program's end: nothing is promised then."""
    return bool(trace["trace"]) and trace["trace"][-1][2:] == ["stuck"]


def is_foreign(trace):
    """Whether the program met an error that no program should meet, such as a task that awaits itself."""
    return "Internal:" in str(trace)


def difference(want, got):
    """`None` where the traces are equal, else (where, what asyncio did, what the other did)."""
    if is_stuck(want):
        return None
    if got is None:
        return "no trace", None, None
    for index, (theirs, ours) in enumerate(itertools.zip_longest(want["trace"], got["trace"])):
        if theirs != ours:
            return f"event {index}", theirs, ours
    for name in sorted(want["tasks"] | got["tasks"]):
        theirs, ours = want["tasks"].get(name, "no such task"), got["tasks"].get(name, "no such task")
        if theirs != ours:
            return f"outcome of {name}", theirs, ours
    return None


def differences(wants, gots):
    """The programs, by id, whose traces differ, each with its difference."""
    found = ((name, difference(want, gots.get(name))) for name, want in wants.items())
    return [(name, what) for name, what in found if what is not None]
