"""PostgreSQL as a cluster of its own in a temporary folder, over a Unix socket."""
import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg

from run import bytes_below

# As many as there are cores: one at a time waits for the disk while the other one is parsed.
CONNECTIONS = 2
POSTURE = ["identities", "secrets", "grants", "runs_as", "can_assume"]


def memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def settings():
    """A quarter of the memory for pages, as is usual, and no more than 6 GB; plans for each question's own values."""
    shared = min(6 << 30, memory_bytes() // 4) >> 20
    return {
        "listen_addresses": "",
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{memory_bytes() * 2 // 3 >> 20}MB",
        "work_mem": "512MB",
        "maintenance_work_mem": "1GB",
        "random_page_cost": "1.1",
        "jit": "off",
        "plan_cache_mode": "force_custom_plan",
        "max_wal_size": "16GB",
        "checkpoint_timeout": "30min",
    }


def programs():
    """Where initdb is: the newest of Debian's, or what PATH has."""
    debian = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1:] or [pathlib.Path(path) for path in [shutil.which("initdb")] if path]
    if not found:
        raise SystemExit("there is no initdb: install PostgreSQL (Debian: apt-get install postgresql)")
    return found[0].parent


class Engine:
    def __init__(self, sql):
        self.sql = {name: text.replace("$t", "%(t)s::bigint").replace("$n", "%(n)s::integer") for name, text in sql.items()}
        self.bin = programs()
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="asof-postgresql-"))
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        self.data = self.folder / "data"
        self.running = False
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.call("initdb", "--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C", "-D", self.data)
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in settings().items())
        options += f" -c unix_socket_directories={self.folder}"
        self.running = True
        self.call("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-o", options, "start")
        self.connection = self.connect()
        self.version = "PostgreSQL " + self.connection.execute("SHOW server_version").fetchone()[0].split()[0]
        self.connection.execute(self.sql["schema"])

    def call(self, program, *arguments):
        command = [self.bin / program, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.user)

    def connect(self):
        return psycopg.connect(host=str(self.folder), user="bench", dbname="postgres", autocommit=True)

    def load_posture(self, folder):
        for table in POSTURE:
            with open(folder / f"{table}.csv", "rb") as rows, self.connection.cursor() as cursor:
                with cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
                    while block := rows.read(1 << 20):
                        copy.write(block)
        self.connection.execute(self.sql["indexes"])
        self.connection.execute("VACUUM (ANALYZE)")

    def take_observations(self, path, batch):
        """Each batch is a COPY and a commit that is on disk, into all indexes."""
        lock = threading.Lock()

        def take(rows):
            count = 0
            with self.connect() as connection, connection.cursor() as cursor:
                while True:
                    with lock:
                        lines = list(itertools.islice(rows, batch))
                    if not lines:
                        return count
                    with cursor.copy("COPY observations FROM STDIN (FORMAT csv)") as copy:
                        copy.write(b"".join(lines))
                    count += len(lines)

        with open(path, "rb", buffering=1 << 20) as rows, ThreadPoolExecutor(CONNECTIONS) as pool:
            return sum(pool.map(take, [rows] * CONNECTIONS))

    def make_ready(self):
        self.connection.execute("VACUUM (ANALYZE)")
        self.connection.execute("CHECKPOINT")

    def ask(self, name, about):
        return self.connection.execute(self.sql[name], about, prepare=True).fetchall()

    def bytes_on_disk(self):
        """Tables and indexes; the log of the last writes, which is used again, does not count."""
        self.connection.execute("CHECKPOINT")
        return bytes_below(self.data / "base")

    def memory_mb(self):
        """Of all its processes, shared pages once."""
        post = (self.data / "postmaster.pid").read_text().split()[0]
        children = pathlib.Path(f"/proc/{post}/task/{post}/children").read_text().split()
        kib = 0
        for process in [post, *children]:
            for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                kib += int(line.split()[1]) if line.startswith("Pss:") else 0
        return kib * 1024 / 1e6

    def close(self):
        if self.running:
            self.call("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)
