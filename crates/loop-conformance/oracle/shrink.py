"""Makes a failing program small."""
import json
import subprocess

import compare
import reference

BODIES = {
    "spawn": (2,), "spawn_eager": (2,), "tg_spawn": (3,), "call_soon": (2,), "call_later": (3,), "call_at": (3,), "repeat": (2,),
    "wait_for": (2,), "timeout": (3,), "taskgroup": (2,), "with": (2,), "cond_wait": (2,), "try": (1, 3),
}
"""Where an op keeps its bodies. (The handlers of a `try` stand one level deeper.)"""

OPENS = {"repeat", "timeout", "with", "cond_wait", "taskgroup", "try"}
"""Ops that may give way to what stands in their body."""

BATCH = 64
"""Candidates that go to the runner together: starting it costs more than running them."""


def run_other(runner, programs):
    """The traces of the programs by the shell command `runner`, by id. One that crashes has none."""
    lines = "".join(json.dumps(program) + "\n" for program in programs)
    try:
        done = subprocess.run(runner, shell=True, input=lines, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return {}
    traces = {}
    for line in done.stdout.splitlines():
        try:
            trace = json.loads(line)
        except ValueError:
            continue
        traces[trace["id"]] = trace
    return traces


def edit(items, index, *new):
    return items[:index] + list(new) + items[index + 1:]


def smaller_ops(ops):
    """These ops with one piece less, the largest pieces first."""
    if len(ops) > 3:
        half = len(ops) // 2
        yield ops[half:]
        yield ops[:half]
    for index, op in enumerate(ops):
        yield edit(ops, index)
        if op[0] in OPENS:
            body = op[BODIES[op[0]][0]]
            yield ops[:index] + [inner for inner in body if inner[0] != "reraise"] + ops[index + 1:]
    for index, op in enumerate(ops):
        for less in smaller_op(op):
            yield edit(ops, index, less)


def smaller_op(op):
    """This op with a smaller body, fewer handlers, or fewer names."""
    for place in BODIES.get(op[0], ()):
        for body in smaller_ops(op[place] or []):
            yield edit(op, place, body)
    if op[0] == "try":
        for index, (pattern, handler) in enumerate(op[2]):
            yield edit(op, 2, edit(op[2], index))
            for body in smaller_ops(handler):
                yield edit(op, 2, edit(op[2], index, [pattern, body]))
    for place, argument in enumerate(op):
        if isinstance(argument, list) and argument and all(isinstance(name, str) for name in argument):
            for index in range(len(argument)):
                yield edit(op, place, edit(argument, index))


def first_failing(runner, candidates):
    """The first candidate on which asyncio and the runner still differ."""
    wanted = []
    for program in candidates:
        try:
            want = reference.run(program)
        except (SyntaxError, TypeError, ValueError, AttributeError):
            continue
        if not compare.is_foreign(want):
            wanted.append((program, want))
    got = run_other(runner, [program for program, _ in wanted])
    for program, want in wanted:
        if compare.difference(want, got.get(program["id"])) is not None:
            return program
    return None


def candidates(program):
    """Smaller programs, each with an id of its own."""
    for index, main in enumerate(smaller_ops(program["main"])):
        yield {"id": f"{program['id']}~{index}", "main": main}


def batches(items, size):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def shrink(runner, program):
    """The smallest failing program that taking things out one by one leads to; `None` if nothing fails."""
    if first_failing(runner, [program]) is None:
        return None
    while (less := next(filter(None, (first_failing(runner, batch) for batch in batches(candidates(program), BATCH))), None)):
        program = {"id": program["id"], "main": less["main"]}
    return program
