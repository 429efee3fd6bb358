"""Submits to a Dramatiq worker of two processes with eight threads: no-op tasks, a pipeline of three, a group."""

import os
import sys

from dramatiq import group, pipeline

import serve
from tasks import noop
from worker import worker

COMMAND = [os.path.join(os.path.dirname(sys.executable), "dramatiq"), "tasks", "--processes", "2", "--threads", "8"]
WAIT_MS = 60_000


def submit(number):
    return noop.send(number, serve.BODY)


def result(message):
    return message.get_result(block=True, timeout=WAIT_MS)


def three():
    result(pipeline([noop.message(1), noop.message(), noop.message()]).run())


def hundred():
    # The join is the submitter's.
    sum(group(noop.message(number) for number in range(100)).run().get_results(block=True, timeout=WAIT_MS))


with worker(COMMAND):
    result(submit(0))
    serve.serve(
        fly=lambda in_flight, tasks: serve.fly(in_flight, tasks, submit, result),
        single=lambda: result(submit(1)),
        chain=three,
        fan=hundred,
    )
