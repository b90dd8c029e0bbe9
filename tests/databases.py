"""The registry's server and its database, which the tests start, kill and start again."""

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import psycopg

from tests.containers import free_port, needs
from tests.nursery import Nursery

HOST = "127.0.0.1"
SECONDS_TO_START = 90
KINDS = ("sqlite", "postgresql")


def programs_of_postgresql():
    """Return the folder of PostgreSQL's programs, or None; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    elsewhere = shutil.which("initdb")
    path = found[-1] if found else elsewhere and Path(elsewhere)
    return path and path.parent


def _runs(process):
    """Say whether a process runs: a dead one that its parent has not reaped stays in the list."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Postgres:
    """A database of its own, below a temporary folder, that answers at a socket there."""

    def __init__(self, programs) -> None:
        """Make the database and start it."""
        # Not below pytest's folders: only their owner may enter those, and root may not serve.
        self._folder = Path(tempfile.mkdtemp(prefix="heart-"))
        self._programs = programs
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            owner = pwd.getpwnam(self.user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "--auth=trust", "--no-sync", "--encoding=UTF8", f"-D{self._data}")
        self._process = None
        self.start()

    @property
    def _data(self):
        return self._folder / "data"

    @property
    def uri(self):
        """Return the address as SQLAlchemy writes it."""
        return f"postgresql+psycopg://{self.user}@/postgres?host={self._folder}"

    @property
    def psql(self):
        """Return the command that asks it."""
        program = self._programs / "psql"
        return f"{program} --no-psqlrc --host {self._folder} --username {self.user} postgres"

    def _as_owner(self):
        return {"user": self.user, "group": self.user} if os.geteuid() == 0 else {}

    def _run(self, program, *arguments):
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._as_owner(),
        )

    def start(self):
        """Start it, after a kill with what it had written, and wait until it answers."""
        # What a killed process has written stays: only a machine that loses power needs fsync.
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "max_connections": 50,
            "restart_after_crash": "off",
        }
        command = [self._programs / "postgres", f"-D{self._data}"]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, **self._as_owner()
            )
        give_up = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            if time.monotonic() > give_up or self._process.poll() is not None:
                raise TimeoutError(f"PostgreSQL does not start: {self._log()}")
            time.sleep(0.02)

    def _log(self):
        return (self._folder / "log").read_text()[-500:]

    def _answers(self):
        with contextlib.suppress(psycopg.OperationalError):
            address = f"host={self._folder} user={self.user} dbname=postgres"
            psycopg.connect(address, connect_timeout=5).close()
            return True
        return False

    def kill(self):
        """Kill it with all its workers, as the kernel does when memory is short."""
        parent = psutil.Process(self._process.pid)
        everyone = [parent, *parent.children(recursive=True)]
        for one in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        self._process.wait()
        while any(_runs(one) for one in everyone):
            time.sleep(0.01)

    def close(self):
        """Stop it and remove what it kept."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)


class Server:
    """MLflow's server at a port of its own, forked from a process that has imported it."""

    def __init__(self, folder, database, artifacts=None) -> None:
        """Start it; its files go to ``artifacts``, by default below ``folder``."""
        self.artifacts = artifacts or folder / "artifacts"
        self.artifacts.mkdir(exist_ok=True)
        self._database, self._port = database, free_port()
        self._log = folder / "server.log"
        self._nursery = Nursery(
            "tests.nightly.faults.mlflow_server",
            self._log,
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
            _MLFLOW_SERVER_FILE_STORE=database,
            _MLFLOW_SERVER_REGISTRY_STORE=database,
            _MLFLOW_SERVER_ARTIFACT_ROOT="mlflow-artifacts:/",
            _MLFLOW_SERVER_ARTIFACT_DESTINATION=str(self.artifacts),
            _MLFLOW_SERVER_SERVE_ARTIFACTS="true",
        )
        self.start()

    @property
    def uri(self):
        """Return the address at which it answers."""
        return f"http://{HOST}:{self._port}"

    @property
    def port(self):
        """Return the number of its port."""
        return self._port

    def start(self):
        """Start it and wait until it answers."""
        self._child = self._nursery.start("serve", self._database, self._port)
        give_up = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            if time.monotonic() > give_up or not psutil.pid_exists(self._child):
                raise TimeoutError(f"MLflow does not start: {self._log.read_text()[-500:]}")
            time.sleep(0.02)

    def _answers(self):
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()  # noqa: S310
            return True
        return False

    def kill(self):
        """Kill it, with whatever it is doing."""
        os.kill(self._child, signal.SIGKILL)
        self._nursery.wait(self._child)

    def close(self):
        """End it."""
        self._nursery.close()


def sqlite(folder):
    """Return the address of a SQLite file in ``folder``."""
    return f"sqlite:///{folder}/mlflow.db"


@contextlib.contextmanager
def postgres():
    """Run PostgreSQL, or skip the test where it is not installed."""
    if (programs := programs_of_postgresql()) is None:
        needs("PostgreSQL is not installed: on Debian the package postgresql")
    with contextlib.closing(Postgres(programs)) as database:
        yield database


@contextlib.contextmanager
def running(kind, folder):
    """Run a server on a database of a kind; give both, or None for one that is a file."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres()) if kind == "postgresql" else None
        address = database.uri if database else sqlite(folder)
        yield stack.enter_context(contextlib.closing(Server(folder, address))), database
