"""A private PostgreSQL, pgweir before it, and one run of a workload through both."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from workloads import SETUP

ROOT = Path(__file__).resolve().parents[2]
PGWEIR = ROOT / "build/release/pgweir"
GENERATOR = ROOT / "build/release/pgweir-bench"


class Failed(Exception):
    pass


def build():
    log = ROOT / "build/release/sizing.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        for command in ([str(ROOT / "bench/install-packages"), "build"],
                        ["cmake", "-S", ROOT, "-B", ROOT / "build/release", "-G", "Ninja",
                         "-DCMAKE_BUILD_TYPE=Release", "-DPGWEIR_TESTS=OFF"],
                        ["cmake", "--build", ROOT / "build/release", "--target", "pgweir", "pgweir-bench"]):
            if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT).returncode != 0:
                raise Failed(f"the build failed; see {log}")


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def as_postgres():
    return [] if os.geteuid() else ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def newest_postgres():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda it: int(it.parts[-3]))
    if not found:
        raise Failed("no PostgreSQL under /usr/lib/postgresql")
    return found[-1].parent


def psql(port, database, command):
    """The rows of the answer, by column name."""
    done = subprocess.run([str(newest_postgres() / "psql"), "-XqA", "-F", "\x1f", "-R", "\x1e", "-P",
                           "footer=off", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", database,
                           "-c", command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    rows = [row.split("\x1f") for row in done.stdout.rstrip("\n\x1e").split("\x1e")]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def console(port, command):
    return psql(port, "pgweir", command)


def stop(process, how, patience=10):
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(ready, process, what):
    for _ in range(300):
        try:
            return ready()
        except Failed:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise Failed(f"{what} did not start")


def busy_and_all():
    with open("/proc/stat") as it:
        times = [int(word) for word in it.readline().split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


class Servers:
    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="pgweir-sizing-"))
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        self.postgres = None

    def __enter__(self):
        binaries, data = newest_postgres(), self.directory / "data"
        subprocess.run(as_postgres() + [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A",
                                        "trust", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, cwd=self.directory)
        self.postgres_port = free_port()
        self.postgres = subprocess.Popen(
            as_postgres() + [str(binaries / "postgres"), "-D", str(data), "-p", str(self.postgres_port), "-c",
                             "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.directory}",
                             "-c", "fsync=off", "-c", "max_connections=300"],
            cwd=self.directory, stdout=subprocess.DEVNULL, stderr=(self.directory / "postgres.log").open("w"),
            start_new_session=True)
        until(lambda: psql(self.postgres_port, "postgres", "select 1"), self.postgres, "PostgreSQL")
        psql(self.postgres_port, "postgres", SETUP)
        return self

    def __exit__(self, *_):
        if self.postgres is not None:
            stop(self.postgres, signal.SIGINT)
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextlib.contextmanager
    def pgweir(self, size):
        """A fresh pgweir with pools of this size: its port."""
        port = free_port()
        settings = self.directory / "pgweir.toml"
        settings.write_text(f"""
[listen]
addresses = ["127.0.0.1"]
port = {port}
[auth]
type = "trust"
[console]
admin_users = ["postgres"]
[pool]
default_pool_size = {size}
max_client_conn = 5000
[databases."*"]
host = "127.0.0.1"
port = {self.postgres_port}
[users.neighbour]
pool_size = 2
""")
        with (self.directory / "pgweir.log").open("w") as log:
            process = subprocess.Popen([str(PGWEIR), "--config", str(settings)], stdout=log, stderr=log,
                                       start_new_session=True)
        try:
            until(lambda: console(port, "SHOW VERSION"), process, "pgweir")
            yield port
        finally:
            stop(process, signal.SIGTERM, 5)

    def load(self, port, workload, seed, seconds, warm_up):
        """What the clients met, and what pgweir says of it and of what it saw before."""
        schedule = self.directory / "schedule"
        jobs = workload.jobs(random.Random(f"{workload.name} {seed}"), seconds + warm_up)
        schedule.write_text("\n".join(jobs) + "\n")
        command = [str(GENERATOR), "--port", str(port), "--schedule", str(schedule), "--warm-up", str(warm_up)]
        if workload.clients:
            command += ["--clients", str(workload.clients), "--seconds", str(seconds + warm_up)]
        before = busy_and_all()
        with self.neighbour(port, workload, seed, seconds + warm_up):
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        after = busy_and_all()
        result = json.loads(done.stdout)
        result["cpu_idle"] = round(1 - (after[0] - before[0]) / max(1, after[1] - before[1]), 3)
        waits = [it for it in console(port, "SHOW LATENCY postgres/postgres") if it["what"] == "wait"]
        result["p99_wait_ms"] = int(waits[0]["p99_us"]) / 1000 if waits else 0.0
        result["advice"] = next(it for it in console(port, "SHOW RECOMMENDATIONS")
                                if it["pool"] == "postgres/postgres")
        result["what_if"] = console(port, "SHOW WHATIF postgres/postgres")
        result["in_use"] = [(int(it["level"]), int(it["time_ms"])) for it in console(port, "SHOW CONCURRENCY postgres/postgres")
                            if it["what"] == "in use"]
        return result

    @contextlib.contextmanager
    def neighbour(self, port, workload, seed, seconds):
        """The load of the other pool, if the workload has one, while this lasts."""
        if workload.neighbour is None:
            yield
            return
        schedule = self.directory / "neighbour"
        jobs = workload.neighbour(random.Random(f"neighbour {seed}"), seconds)
        schedule.write_text("\n".join(jobs) + "\n")
        process = subprocess.Popen(
            [str(GENERATOR), "--port", str(port), "--user", "neighbour", "--schedule", str(schedule), "--clients",
             str(workload.neighbour_clients), "--seconds", str(seconds)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            stop(process, signal.SIGTERM)

    def run(self, workload, size, seed, seconds, warm_up):
        with self.pgweir(size) as port:
            return self.load(port, workload, seed, seconds, warm_up)
