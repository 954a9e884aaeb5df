"""A PostgreSQL server that dies in three ways, and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
from postgres import Cluster, _account, _programs

from .laboratory import StuckError

BACK_S = 30.0
_WRITER = (
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'labwright pid %%' "
    "AND backend_type = 'client backend' AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
)
_AMID = " AND state IN ('active', 'idle in transaction')"


class Server:
    """Kills parts of a cluster.

    Args:
        cluster: running.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.amid_writes = 0

    def break_(self, what: str) -> None:
        """Kill the daemon's ``backend`` amid a write where one can be met, cut all ``connections``, or the ``server``.

        Raises:
            StuckError: it does not come back.
        """
        if what == "backend":
            self._kill_backend()
        elif what == "connections":
            self._cluster.sever()
        else:
            self._kill_server()
        deadline = time.monotonic() + BACK_S
        while True:
            try:
                self._cluster.execute("SELECT 1")
            except psycopg.Error as error:
                if time.monotonic() > deadline:
                    raise StuckError("PostgreSQL does not come back") from error
                time.sleep(0.05)
            else:
                return

    def _kill_backend(self) -> None:
        with psycopg.connect(
            f"host={self._cluster.directory} user=labwright dbname=postgres", autocommit=True
        ) as connection:
            for _ in range(2000):
                row = connection.execute(f"{_WRITER}{_AMID}".encode()).fetchone()
                if row is not None:
                    self.amid_writes += 1
                    break
            else:
                row = connection.execute(_WRITER.encode()).fetchone()
            if row is not None:
                os.kill(int(row[0]), signal.SIGKILL)

    def _kill_server(self) -> None:
        data = self._cluster.directory / "data"
        master = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        dead = [master, *master.children(recursive=True)]
        for process in dead:
            process.kill()
        psutil.wait_procs(dead, timeout=BACK_S)
        programs, account = _programs(), _account()
        assert programs is not None
        # As it was started before: the options stand in a file beside the data.
        subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [str(Path(programs) / "pg_ctl"), "-w", "-D", str(data), "-l", str(self._cluster.directory / "log"),
             "restart"],
            check=True, user=account if os.geteuid() == 0 else None, cwd=self._cluster.directory,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
