"""What the Python peers share: they are asked on standard input, a line of JSON each, and answer likewise."""

import collections
import json
import os
import sys
import time

# With what is around it, a task has about 256 bytes.
BODY = "x" * 230


def fly(in_flight, tasks, submit, result):
    """So many tasks, so many at a time; each result must be the number that was submitted."""
    under_way = collections.deque()

    def take():
        number, handle = under_way.popleft()
        returned = result(handle)
        if returned != number:
            raise RuntimeError(f"task {number} returned {returned}")

    for number in range(tasks):
        if len(under_way) == in_flight:
            take()
        under_way.append((number, submit(number)))
    while under_way:
        take()


def milliseconds(function, times):
    """How long each of so many calls takes, one after the other."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        function()
        taken.append((time.perf_counter() - begun) * 1e3)
    return taken


def serve(fly, versions=None, **timed):
    """Says that it is ready, and does what is asked until there are no more questions.

    `fly(in_flight, tasks)` returns when all tasks are done; each of `timed` does one thing: `single`, `chain`, `fan`.
    """
    # Only answers go to the driver: whatever else prints goes to the log.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(answer):
        print(json.dumps(answer), file=answers, flush=True)

    tell({"can": sorted(timed), "versions": versions or {}})
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if question["do"] == "fly":
                fly(question["in_flight"], question["tasks"])
                tell({})
            else:
                tell({"ms": milliseconds(timed[question["do"]], question["times"])})
        except Exception as error:  # the driver notes it and goes on
            tell({"error": f"{type(error).__name__}: {error}"})
