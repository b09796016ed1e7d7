"""Runs one engine over the rows and questions in a folder, and prints what it did as JSON.

    run.py postgresql|duckdb FOLDER

An engine is a class `Engine` in the module of its name: it loads posture, takes observations in durable batches of BATCH
rows, makes itself as fast as it can for questions, and answers them. How that is done is in its own file; what its queries
say is in the SQL file of its name, where HOUR, DAY and START stand for nanoseconds, $t for the moment asked about and $n for the
number of an identity, a resource or a team. Every number that a query returns is part of the answer, row by row; a text is not.
"""
import importlib
import json
import pathlib
import signal
import sys
import time

BATCH = 1_000
SECOND = 1_000_000_000
NAMES = {"HOUR": 3_600 * SECOND, "DAY": 86_400 * SECOND, "START": 1_767_225_600 * SECOND}


def sections(path):
    """The parts of a SQL file, each below a line `-- name`; other comments go."""
    parts, name = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("-- ") and len(line.split()) == 2:
            name = line.split()[1]
            parts[name] = ""
        elif not line.strip().startswith("--") and name:
            parts[name] += line + "\n"
    for word, nanos in NAMES.items():
        parts = {name: text.replace(word, str(nanos)) for name, text in parts.items()}
    return {name: text.strip() for name, text in parts.items()}


def flat(value):
    """All numbers of rows of numbers and of lists of them."""
    if isinstance(value, (list, tuple)):
        return [number for each in value for number in flat(each)]
    return [] if isinstance(value, str) else [int(value)]


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ask(engine, given, rounds):
    """Each question for each subject, once to warm up and then so many rounds that count."""
    told = {}
    for name, abouts in given.items():
        answers, ms = [], []
        for round in range(rounds + 1):
            for about in abouts:
                began = time.perf_counter()
                rows = engine.ask(name, about)
                took = time.perf_counter() - began
                if round == 0:
                    answers.append(flat(rows))
                else:
                    ms.append(took * 1e3)
        told[name] = {"ms": ms, "answers": answers}
    return told


def main():
    # So that a server is stopped and its folder removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    here = pathlib.Path(__file__).parent
    spec = json.loads((folder / "questions.json").read_text())
    engine = importlib.import_module(f"in_{name}").Engine(sections(here / f"{name}.sql"))
    try:
        said = lambda what: print(f"{engine.version}: {what}", file=sys.stderr)
        said("loading posture")
        engine.load_posture(folder)
        before = engine.bytes_on_disk()
        said("taking observations")
        began = time.perf_counter()
        count = engine.take_observations(folder / "observations.csv", BATCH)
        took = time.perf_counter() - began
        grown = engine.bytes_on_disk() - before
        said("making ready for questions")
        engine.make_ready()
        said("answering")
        questions = ask(engine, spec["questions"], spec["rounds"])
        told = {
            "version": engine.version,
            "observations_per_second": count / took,
            "bytes_per_observation": grown / count,
            "memory_mb": engine.memory_mb(),
            "questions": questions,
        }
    finally:
        engine.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
