"""Submits to a Celery worker with two processes: no-op tasks, a chain of three, a chord of 100."""

import sys

from celery import chain, chord, exceptions, group

import serve
from tasks import app, noop, total
from worker import worker

COMMAND = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
QUIET = ["--loglevel", "ERROR", "--without-gossip", "--without-mingle"]
WAIT_SECONDS, TRIES = 5, 12


def submit(number):
    return noop.delay(number, serve.BODY)


def result(handle):
    for _ in range(TRIES):
        try:
            return handle.get(timeout=WAIT_SECONDS)
        except exceptions.TimeoutError:
            # On a busy machine a result was not told of within a minute; asking again looks for it in Redis first.
            continue
    raise RuntimeError(f"no result within {TRIES * WAIT_SECONDS} s")


def versions():
    with app.connection() as connection:
        connection.connect()
        rabbitmq = connection.connection.server_properties["version"]
    return {"rabbitmq-server": rabbitmq, "redis-server": app.backend.client.info("server")["redis_version"]}


with worker(COMMAND + QUIET):
    result(submit(0))
    serve.serve(
        versions=versions(),
        fly=lambda in_flight, tasks: serve.fly(in_flight, tasks, submit, result),
        single=lambda: result(submit(1)),
        chain=lambda: result(chain(noop.s(1), noop.s(), noop.s())()),
        fan=lambda: result(chord(group(noop.s(number) for number in range(100)), total.s())()),
    )
