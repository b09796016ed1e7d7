"""DuckDB in this process, over a database file; two threads."""
import pathlib
import tempfile

import duckdb
import pyarrow
import pyarrow.csv

from run import bytes_below

THREADS = 2
POSTURE = ["identities", "secrets", "grants", "runs_as", "can_assume"]


class Engine:
    version = f"DuckDB {duckdb.__version__}"

    def __init__(self, sql):
        self.sql = sql
        self.temporary = tempfile.TemporaryDirectory(prefix="asof-duckdb-")
        self.folder = pathlib.Path(self.temporary.name)
        self.connection = duckdb.connect(str(self.folder / "data.duckdb"))
        self.connection.execute(f"SET threads = {THREADS}")
        self.connection.execute(sql["schema"])

    def load_posture(self, folder):
        for table in POSTURE:
            self.connection.execute(f"COPY {table} FROM '{folder / table}.csv' (FORMAT csv, HEADER false)")
        self.connection.execute(self.sql["sort_posture"])

    def take_observations(self, path, batch):
        """Each batch is an INSERT that commits, and is on disk, by itself; no index takes part."""
        columns = self.connection.execute("DESCRIBE observations").fetchall()
        kinds = {"VARCHAR": pyarrow.string(), "BIGINT": pyarrow.int64(), "INTEGER": pyarrow.int32(), "TINYINT": pyarrow.int8()}
        types = {column: kinds[kind] for column, kind, *_ in columns}
        read = pyarrow.csv.ReadOptions(column_names=list(types), block_size=1 << 24)
        count = 0
        for block in pyarrow.csv.open_csv(path, read, convert_options=pyarrow.csv.ConvertOptions(column_types=types)):
            # Rows left over at the end of a block are a batch of their own: a few in a hundred.
            for start in range(0, block.num_rows, batch):
                rows = pyarrow.Table.from_batches([block.slice(start, batch)])
                self.connection.execute("INSERT INTO observations SELECT * FROM rows")
                count += rows.num_rows
        return count

    def make_ready(self):
        self.connection.execute(self.sql["sort_observations"])
        self.connection.execute("CHECKPOINT")
        for name, text in self.sql.items():
            if name.startswith("Q"):
                self.connection.execute(f"PREPARE {name} AS {text}")

    def ask(self, name, about):
        given = ", ".join(f"{key} := {value}" for key, value in about.items() if f"${key}" in self.sql[name])
        return self.connection.execute(f"EXECUTE {name}({given})").fetchall()

    def bytes_on_disk(self):
        self.connection.execute("CHECKPOINT")
        return bytes_below(self.folder)

    def memory_mb(self):
        """Of this process."""
        status = pathlib.Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1]) * 1024 / 1e6

    def close(self):
        self.connection.close()
        self.temporary.cleanup()
