"""The table, and the file that `make bench` reads."""

import json
import os
import platform


def machine():
    """What it is measured on."""
    with open("/proc/meminfo") as file:
        mib = int(file.readline().split()[1]) // 1024
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "cpus": os.cpu_count(),
        "model": models[0] if models else platform.machine(),
        "memory_mib": mib,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


# Heading, key, digits behind the point.
COLUMNS = (
    ("tasks/s", "tasks_per_second", 0),
    ("CPU us/task", "cpu_us_per_task", 0),
    ("single p50", "single_p50_ms", 2),
    ("p99 ms", "single_p99_ms", 2),
    ("chain p50", "chain_p50_ms", 2),
    ("fan p50 ms", "fan_p50_ms", 1),
    ("MiB idle", "memory_idle_mib", 0),
    ("MiB load", "memory_load_mib", 0),
    ("others' CPUs", "others_cpus", 1),
)


def heading():
    return f"{'':<20}{'in flight':>10}" + "".join(f"{heading:>13}" for heading, _, _ in COLUMNS)


def line(row):
    values = ((row[key], digits) for _, key, digits in COLUMNS)
    cells = ("-" if value is None else f"{value:,.{digits}f}" for value, digits in values)
    failed = f"  {row['failed']}" if row["failed"] else ""
    return f"{row['name']:<20}{row['in_flight']:>10,}" + "".join(f"{cell:>13}" for cell in cells) + failed


def write(path, report):
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = json.loads(json.dumps(report), parse_float=lambda digits: round(float(digits), 3))
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rounded, indent=2) + "\n")
    part.replace(path)
