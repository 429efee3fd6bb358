"""Dramatiq with results in Redis; with CONFIRMS=1 the broker confirms what is published, which is not so by default."""

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RabbitmqBroker(url=os.environ["AMQP_URL"], confirm_delivery=os.environ["CONFIRMS"] == "1")
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["REDIS_URL"])))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True, queue_name="peers.dramatiq")
def noop(number, body=""):
    return number
