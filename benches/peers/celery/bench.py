"""Submits to a Celery worker with two processes: no-op tasks, a chain of three, a chord of 100."""

import sys

from celery import chain, chord, group

import serve
from tasks import app, noop, total
from worker import worker

COMMAND = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
QUIET = ["--loglevel", "ERROR", "--without-gossip", "--without-mingle"]


def submit(number):
    return noop.delay(number, serve.BODY)


def result(handle):
    return handle.get(timeout=60)


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
