"""DBOS on SQLite: workflows and their steps in this process, which submits them as well."""

import os

from dbos import DBOS, DBOSConfig

import serve

DBOS(
    config=DBOSConfig(
        name="peers",
        system_database_url=f"sqlite:///{os.getcwd()}/dbos.sqlite",
        log_level="ERROR",
        run_admin_server=False,
    )
)


@DBOS.step()
def step(number):
    return number


@DBOS.workflow()
def noop(number, body=""):
    return number


@DBOS.workflow()
def three():
    return step(step(step(1)))


@DBOS.workflow()
def hundred():
    handles = [DBOS.start_workflow(noop, number) for number in range(100)]
    return sum(handle.get_result(polling_interval_sec=0.005) for handle in handles)


def submit(number):
    return DBOS.start_workflow(noop, number, serve.BODY)


def result(handle):
    return handle.get_result()


DBOS.launch()
try:
    serve.serve(
        fly=lambda in_flight, tasks: serve.fly(in_flight, tasks, submit, result),
        single=lambda: noop(1, serve.BODY),
        chain=three,
        fan=hundred,
    )
finally:
    DBOS.destroy()
