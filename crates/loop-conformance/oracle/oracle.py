#!/usr/bin/env python3
"""The oracle: what CPython 3.13's asyncio does with a script program, in virtual time.

    oracle.py gen    --seed 1 --count 200 --profile all > programs.jsonl
    oracle.py run    < programs.jsonl > traces.jsonl
    oracle.py diff   expected.jsonl actual.jsonl        (exit 1 and the first differences)
    oracle.py shrink --runner COMMAND < program.json    (COMMAND reads programs and writes traces)
    oracle.py show   < programs.jsonl                   (the Python that a program stands for)
    oracle.py expect < programs.jsonl > corpus.jsonl    (programs with their traces, one a line; none that is stuck)
    oracle.py corpus --count 3000 DIRECTORY             (the corpus anew: every profile, and the matrices)

`../src/program.rs` and `../src/trace.rs` say what programs and traces are. `run`, `shrink`, `expect` and `corpus` need CPython
3.13: another version's asyncio orders some things differently. Without it they exit with code 77 and say so.
"""
import argparse
import gzip
import json
import os
import sys

sys.dont_write_bytecode = True  # The folder holds sources only.

NO_CPYTHON_313 = 77
PROFILES = "tasks cancel groups sync all eager contend edges".split()


def is_the_reference():
    return sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 13)


def lines(stream):
    """The JSON values of a stream, one a line."""
    return (json.loads(line) for line in stream if line.strip())


def written(value):
    """A value as a line."""
    return json.dumps(value, separators=(",", ":")) + "\n"


def put(value):
    sys.stdout.write(written(value))


def by_id(path):
    with open(path, encoding="utf-8") as file:
        return {item["id"]: item for item in lines(file)}


def gen(options):
    import generate
    for seed in range(options.seed, options.seed + options.count):
        put(generate.program(options.profile, seed))


def run(options):
    import reference
    for program in lines(sys.stdin):
        put(reference.run(program))


def expected(programs):
    """Programs with their traces, except those that asyncio leaves stuck."""
    import compare
    import reference
    for program in programs:
        trace = reference.run(program)
        if compare.is_foreign(trace):
            print(f"{program['id']}: not a valid program: {trace}", file=sys.stderr)
        elif not compare.is_stuck(trace):
            yield {"id": program["id"], "main": program["main"], "trace": trace["trace"], "tasks": trace["tasks"]}


def expect(options):
    for entry in expected(lines(sys.stdin)):
        put(entry)


def pack(path, programs):
    """A corpus file, the same bytes each time."""
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        for entry in expected(programs):
            packed.write(written(entry).encode())


def corpus(options):
    import generate
    import matrices
    for profile in PROFILES:
        programs = (generate.program(profile, seed) for seed in range(1, options.count + 1))
        pack(f"{options.directory}/{profile}.jsonl.gz", programs)
    pack(f"{options.directory}/matrices.jsonl.gz", matrices.programs())


def show(options):
    import translate
    for program in lines(sys.stdin):
        print(f"# {program['id']}\n{translate.translate(program)}")


def tell(name, difference):
    """Writes one difference for a reader."""
    where, theirs, ours = difference
    return f"{name}: {where}\n  asyncio: {json.dumps(theirs)}\n  ours:    {json.dumps(ours)}"


def diff(options):
    import compare
    want = by_id(options.expected)
    found = compare.differences(want, by_id(options.actual))
    for name, difference in found[:10]:
        print(tell(name, difference))
    print(f"{len(want) - len(found)} of {len(want)} traces equal")
    return 1 if found else 0


def shrink(options):
    import compare
    import reference
    import shrink as shrinking
    program = next(lines(sys.stdin))
    small = shrinking.shrink(options.runner, program)
    if small is None:
        print("the runner agrees with asyncio on this program", file=sys.stderr)
        put(program)
        return 0
    put(small)
    got = shrinking.run_other(options.runner, [small]).get(small["id"])
    print(tell(small["id"], compare.difference(reference.run(small), got)), file=sys.stderr)
    return 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("gen")
    verb.set_defaults(call=gen)
    verb.add_argument("--seed", type=int, default=1)
    verb.add_argument("--count", type=int, default=100)
    verb.add_argument("--profile", default="all", choices=PROFILES)
    verbs.add_parser("run").set_defaults(call=run)
    verbs.add_parser("expect").set_defaults(call=expect)
    verbs.add_parser("show").set_defaults(call=show)
    verb = verbs.add_parser("corpus")
    verb.set_defaults(call=corpus)
    verb.add_argument("--count", type=int, default=3000, help="programs of each profile")
    verb.add_argument("directory")
    verb = verbs.add_parser("diff")
    verb.set_defaults(call=diff)
    verb.add_argument("expected")
    verb.add_argument("actual")
    verb = verbs.add_parser("shrink")
    verb.set_defaults(call=shrink)
    verb.add_argument("--runner", required=True, help="a shell command")
    return parser.parse_args()


def main():
    options = arguments()
    if options.verb not in ("gen", "show", "diff") and not is_the_reference():
        print(f"oracle.py needs CPython 3.13 and this is {sys.implementation.name} {sys.version.split()[0]}", file=sys.stderr)
        return NO_CPYTHON_313
    return options.call(options) or 0


if __name__ == "__main__":
    status = main()
    # Tasks that a program left pending must not run on while the interpreter takes itself apart.
    sys.stdout.flush()
    os._exit(status)
