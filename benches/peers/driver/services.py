"""RabbitMQ and Redis of this checkout, as `make services` starts them: on free ports of 127.0.0.1."""

import json
import re
import sys

from driver.processes import Failed, run, started


class Services:
    """They are started when a peer first asks for them; at the end they are stopped, unless they were there before."""

    def __init__(self, root, log):
        self._root, self._log = root, log
        self._environment = None
        self._failed = None
        self._ours = False

    def environment(self):
        """Where they are, for a peer."""
        if self._failed:
            raise Failed(self._failed)
        if self._environment is None:
            try:
                self._environment = self._start()
            except Failed as failed:
                self._failed = f"no servers: {failed}"
                raise Failed(self._failed) from failed
        return self._environment

    def _start(self):
        self._ours = not self.pids()
        print("starting servers" if self._ours else "the servers are running already", file=sys.stderr)
        printed = run(["make", "--no-print-directory", "services"], self._log, cwd=self._root)
        said = dict(re.findall(r"^export (\w+)=(.*)$", printed, re.MULTILINE))
        # Redis: a database that nobody else uses.
        return {
            "AMQP_URL": said["CALLBOARD_BUS__URL"],
            "REDIS_URL": f"{said['CALLBOARD_DIRECTORY__URL'].rstrip('/')}/7",
        }

    def pids(self):
        """The process ids of RabbitMQ and Redis that are alive."""
        try:
            state = json.loads((self._root / "target/services/servers.json").read_text())
        except (OSError, ValueError):
            return []
        services = [state[name] for name in ("rabbitmq", "redis") if state.get(name)]
        processes = [process for service in services for process in service["processes"]]
        return [process["id"] for process in processes if started(process["id"]) == process["started"]]

    def end(self):
        if self._ours:
            self._ours = False
            try:
                run(["make", "--no-print-directory", "services-down"], self._log, cwd=self._root)
            except Failed as failed:
                print(f"error: the servers may still be running: {failed}", file=sys.stderr)
