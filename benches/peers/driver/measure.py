"""The figures of one peer."""

import statistics
import sys
import time

from driver import processes
from driver.processes import Failed

FLIGHT_SECONDS = 900
LATENCY_SECONDS = 300

FIGURES = (
    "tasks",
    "tasks_per_second",
    "cpu_us_per_task",
    "single_p50_ms",
    "single_p99_ms",
    "chain_p50_ms",
    "fan_p50_ms",
    "memory_idle_mib",
    "memory_load_mib",
    "others_cpus",
)


def nothing(name, in_flight, failed):
    """The row of a peer that could not be measured."""
    return {"name": name, "in_flight": in_flight, **dict.fromkeys(FIGURES), "failed": failed}


def measure(peer, name, in_flights, can, plan):
    """A row for each number in flight; what was measured before something failed is in it."""
    rows = [nothing(name, in_flight, None) for in_flight in in_flights]
    try:
        idle = processes.memory_mib(peer.workers())
        for row in rows:
            row["memory_idle_mib"] = idle
        peer.ask(FLIGHT_SECONDS, do="fly", in_flight=in_flights[0], tasks=plan.warm)
        for row in rows:
            row.update(flights(peer, row["in_flight"], plan))
        latencies = {}
        for what in can:
            latencies |= latency(peer, what, plan)
        for row in rows:
            row.update({key: value for key, value in latencies.items() if key in FIGURES})
    except Failed as failed:
        for row in rows:
            row["failed"] = row["failed"] or str(failed)
    return rows


def flights(peer, in_flight, plan):
    """The median of each figure over all repetitions; the most memory of all."""
    rates, costs, others, memory = [], [], [], 0.0
    for _ in range(plan.repetitions):
        with processes.Peak(peer.workers) as peak:
            begun, cpu, busy = time.perf_counter(), peer.cpu_seconds(), processes.busy_seconds()
            peer.ask(FLIGHT_SECONDS, do="fly", in_flight=in_flight, tasks=plan.tasks)
            seconds = time.perf_counter() - begun
            cpu, busy = peer.cpu_seconds() - cpu, processes.busy_seconds() - busy
        rates.append(plan.tasks / seconds)
        print(f"{in_flight:,} in flight: {rates[-1]:,.0f} tasks/s", file=sys.stderr)
        costs.append(cpu / plan.tasks * 1e6)
        others.append(max(busy - cpu, 0) / seconds)
        memory = max(memory, peak.mib)
    return {
        "tasks": plan.tasks,
        "tasks_per_second": statistics.median(rates),
        "cpu_us_per_task": statistics.median(costs),
        "others_cpus": statistics.median(others),
        "memory_load_mib": memory,
    }


def latency(peer, what, plan):
    """One at a time: the median over all repetitions of each percentile."""
    runs = []
    for _ in range(plan.repetitions):
        runs.append(sorted(peer.ask(LATENCY_SECONDS, do=what, times=plan.times[what])["ms"]))
    return {
        f"{what}_p{percent}_ms": statistics.median(run[min(len(run) * percent // 100, len(run) - 1)] for run in runs)
        for percent in (50, 99)
    }
