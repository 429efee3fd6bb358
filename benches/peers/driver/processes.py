"""CPU time and memory of process trees, from /proc, and the end of what was started."""

import contextlib
import os
import signal
import subprocess
import threading

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.5
END_SECONDS = 20


def fields(pid):
    """See proc(5): the name, which may hold anything, ends at the last parenthesis; then comes the state."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def started(pid):
    """When the process started, in ticks since the machine did; None if there is none."""
    try:
        state, *rest = fields(pid)
        return None if state == "Z" else int(rest[18])
    except OSError:
        return None


def tree(pids):
    """These processes and all below them."""
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            children.setdefault(int(fields(pid)[1]), []).append(int(pid))
    found, left = [], list(pids)
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


def cpu_seconds(pids):
    """User and system time of these trees, with that of children that are over."""
    ticks = 0
    for pid in tree(pids):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, fields(pid)[11:15]))
    return ticks / TICKS


def busy_seconds():
    """CPU time of the whole machine: all but idle and waiting for disks."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _wait, *rest = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(rest)) / TICKS


def memory_mib(pids):
    """Memory of these processes; a page that several share counts once."""
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as file:
                kib += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return kib / 1024


class Peak:
    """The most memory that is seen while the block runs."""

    def __init__(self, pids):
        self.pids, self.mib = pids, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._over.wait(SAMPLE_SECONDS):
            self.mib = max(self.mib, memory_mib(self.pids()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self.mib = max(self.mib, memory_mib(self.pids()))


def end_group(process, seconds):
    """Waits for a process that leads a group, and kills what is left of the group."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Failed(Exception):
    """A command or a peer that did not do what it was to do, in words."""


def run(command, log, **options):
    """Runs a command and returns what it prints; the rest goes to the log. It does not outlive us."""
    with open(log, "ab") as errors:
        try:
            # In our own group, so that it may ask for a password, and ends with us from the keyboard.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, **options
            )
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from error
        try:
            printed, _ = process.communicate()
        except BaseException:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
    if process.returncode != 0:
        raise Failed(f"{' '.join(command[:4])} failed with {process.returncode}: {last_words(log)}")
    return printed


def last_words(log):
    """What a program said last, and where the rest is."""
    with open(log, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return f"{lines[-1] if lines else 'it said nothing'}; see {os.path.relpath(log)}"
