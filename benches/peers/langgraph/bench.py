"""LangGraph in this process: graphs of one node, of three, and of 100 with a join.

    bench.py none|sqlite     without a checkpointer, or with one on SQLite that each step waits for

Threads are fastest of what was tried: `ainvoke` of 256 at once reached two thirds of it.
"""

import concurrent.futures
import itertools
import operator
import sqlite3
import sys
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

import serve

THREADS = 16


class State(TypedDict):
    number: int
    body: str
    numbers: Annotated[list, operator.add]


def noop(state):
    return {"number": state["number"]}


def chain(length, saver):
    graph = StateGraph(State)
    names = [f"step{number}" for number in range(length)]
    for name in names:
        graph.add_node(name, noop)
    for name, following in itertools.pairwise([START, *names, END]):
        graph.add_edge(name, following)
    return graph.compile(checkpointer=saver)


def fan(width, saver):
    graph = StateGraph(State)
    graph.add_node("leaf", lambda state: {"numbers": [state["number"]]})
    graph.add_node("join", lambda state: {"number": sum(state["numbers"])})
    graph.add_conditional_edges(START, lambda _: [Send("leaf", {"number": n}) for n in range(width)], ["leaf"])
    graph.add_edge("leaf", "join")
    graph.add_edge("join", END)
    return graph.compile(checkpointer=saver)


def saver_of(kind):
    if kind == "none":
        return None
    return SqliteSaver(sqlite3.connect("checkpoints.sqlite", check_same_thread=False))


saver = saver_of(sys.argv[1])
one, three, hundred = chain(1, saver), chain(3, saver), fan(100, saver)
durability = {"durability": "sync"} if saver else {}
threads = itertools.count()


def run(graph, number=1):
    config = {"configurable": {"thread_id": str(next(threads))}}
    return graph.invoke({"number": number, "body": serve.BODY, "numbers": []}, config, **durability)["number"]


with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
    serve.serve(
        fly=lambda in_flight, tasks: serve.fly(
            in_flight, tasks, lambda number: pool.submit(run, one, number), lambda future: future.result()
        ),
        single=lambda: run(one),
        chain=lambda: run(three),
        fan=lambda: run(hundred),
    )
