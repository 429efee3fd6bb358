"""A worker as a child process: it prints to the log, and ends with the block."""

import contextlib
import subprocess
import sys


@contextlib.contextmanager
def worker(command):
    # In the folder of the program, where its tasks are.
    process = subprocess.Popen(command, cwd=sys.path[0], stdin=subprocess.DEVNULL, stdout=2)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
