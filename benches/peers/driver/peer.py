"""A peer as a process: it is asked on its standard input, a line of JSON each, and ends when that ends."""

import contextlib
import json
import queue
import subprocess
import threading

from driver import processes
from driver.processes import Failed

START_SECONDS = 300
END_SECONDS = 40


class Peer:
    def __init__(self, command, environment, folder, log, servers):
        self._log, self._servers = log, servers
        try:
            with open(log, "wb") as errors:
                self._process = subprocess.Popen(
                    command,
                    env=environment,
                    cwd=folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    process_group=0,
                )
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from error
        self._answers = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def ready(self):
        """What it can do, and the versions that only it knows."""
        return self._answer(START_SECONDS, "start")

    def ask(self, seconds, **question):
        # If it is gone, the answer says why.
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._answer(seconds, question["do"])

    def _answer(self, seconds, what):
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise Failed(f"{what}: no answer within {seconds} s: {processes.last_words(self._log)}") from None
        if line is None:
            raise Failed(f"{what}: it has ended: {processes.last_words(self._log)}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{what}: {answer['error']}")
        return answer

    def cpu_seconds(self):
        """Of submitter, workers and servers."""
        return processes.cpu_seconds([self._process.pid, *self._servers])

    def workers(self):
        """What would be a node of Callboard: the submitter only if it performs the tasks itself."""
        submitter, *below = processes.tree([self._process.pid])
        return below or [submitter]

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        # Who interrupts us does not wait until it has done what it was asked.
        processes.end_group(self._process, 0 if error else END_SECONDS)
        self._reader.join()
