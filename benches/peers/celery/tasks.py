"""Celery so that nothing is lost when a worker dies: acks after the work, publisher confirms, results in Redis."""

import os

from celery import Celery

app = Celery("peers", broker=os.environ["AMQP_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_default_queue="peers.celery",
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=64,
)


@app.task
def noop(number, body=""):
    return number


@app.task
def total(numbers):
    return sum(numbers)
