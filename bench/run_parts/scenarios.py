"""What is measured. A scenario starts each peer afresh and returns figures, by name; those of the same name are
compared. Times are in the unit that the name ends in; cpu_us is the proxy's own, per transaction (or connection)."""

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import Callable

import figures
from machine import USERS
from servers import ROOT, Failed

GENERATOR = ROOT / "build/release/pgweir-bench"


@dataclass
class Context:
    machine: object
    seconds: float
    quick: bool

    def generator(self, port, *arguments, timeout=300):
        done = subprocess.run([str(GENERATOR), "--port", str(port), "--user", "bench", "--database", "bench",
                               *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise Failed(f"pgweir-bench: {done.stderr.strip()[-400:]}")
        return json.loads(done.stdout)


@dataclass
class Scenario:
    name: str
    what: str
    measure: Callable  # (Context, Peer, options) -> figures
    options: dict = field(default_factory=dict)
    poolers_only: bool = False
    pgweir_only: bool = False


def measured(running, work, transactions_of):
    """The figures of the proxy over one piece of work, and what the work returned."""
    before = figures.Usage(running.pid) if running.pid else None
    done = work()
    transactions = transactions_of(done)
    if transactions == 0:
        raise Failed(f"no transaction was done through {running.name}")
    result = {"transactions": transactions}
    if before:
        result.update(figures.per_transaction(before, figures.Usage(running.pid), transactions))
    return result, done


def calls_per_transaction(context, running, run, transactions_of):
    """From two runs of different length, so that what connecting costs cancels out."""
    if running.pid is None:
        return {}
    points = []
    for seconds in (1, 1.5) if context.quick else (1, 3):
        point = figures.system_calls(running.pid, context.machine.directory / "strace", lambda: run(seconds))
        if point is None:
            return {}
        points.append((point[0], transactions_of(point[1])))
    more = points[1][1] - points[0][1]
    return {"calls": (points[1][0] - points[0][0]) / more} if more > 0 else {}


# ---- by pgweir-bench ----

def closed_loop(context, peer, clients=64, protocol="simple", workers=1, users=0, pool_size=20, calls=True):
    def run(seconds):
        return context.generator(running.port, "--clients", clients, "--sql", "select 1", "--protocol", protocol,
                                 "--users", users, "--seconds", seconds)

    def count(done):
        return done["all_jobs"]

    with context.machine.started(peer, workers=workers, pool_size=pool_size) as running:
        result, done = measured(running, lambda: run(context.seconds), count)
        if done["failed"] or done["unfinished"]:
            raise Failed(f"{done['failed']} of {done['jobs']} failed, {done['unfinished']} unanswered")
        result.update({name: done[name] for name in ("throughput", "p50_ms", "p90_ms", "p99_ms", "max_ms", "fairness")})
        if calls:
            result.update(calls_per_transaction(context, running, run, count))
    return result


def with_idle(context, peer, idle=1000, active=0):
    """Idle clients, with active ones among them or at rest."""
    def work():
        return context.generator(running.port, "--clients", active, "--sql", "select 1", "--seconds", context.seconds)

    with context.machine.started(peer) as running:
        result = {}
        if active:
            work()  # what the first load allocates is not the idle clients'
            result["alone_throughput"] = work()["throughput"]
        bare = figures.pss(running.pid)
        holder = subprocess.Popen([str(GENERATOR), "--port", str(running.port), "--user", "bench", "--database",
                                   "bench", "--idle", str(idle)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        try:
            if holder.stdout.readline().strip() != "ready":
                raise Failed(holder.stderr.read().strip())
            time.sleep(1)
            result["pss_bytes"] = (figures.pss(running.pid) - bare) / idle
            before = figures.Usage(running.pid)
            time.sleep(min(context.seconds, 5))
            after = figures.Usage(running.pid)
            result["rest_cpu_share"] = (after.cpu - before.cpu) / 1e9 / min(context.seconds, 5)
            if active:
                usage, done = measured(running, work, lambda it: it["all_jobs"])
                result.update(usage, throughput=done["throughput"], p50_ms=done["p50_ms"], p99_ms=done["p99_ms"],
                              kept=done["throughput"] / result["alone_throughput"])
        finally:
            holder.communicate()
    return result


def instructions(context, peer):
    """Of user space, and allocations, per transaction: from two runs of different length under callgrind."""
    if peer.name == "direct" or shutil.which("valgrind") is None:
        return {}
    log, profile = (context.machine.directory / f"{peer.name}.{it}" for it in ("log", "callgrind"))
    clients, points = 8, []
    for each in (50, 150) if context.quick else (100, 1100):
        under = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", "--log-fd=2")
        with context.machine.started(peer, under=under) as running:
            context.machine.pgbench(running.port, ["-n", "-S", "-c", str(clients), "-t", str(each)])
        collected = re.search(r"Collected : (\d+)", log.read_text())
        if collected is None:
            raise Failed(f"callgrind: {log.read_text()[-300:]}")
        points.append((int(collected[1]), figures.allocations(profile), each * clients))
        profile.unlink()
    more = [after - before for before, after in zip(*points)]
    return {"instructions": more[0] / more[2], "allocations": more[1] / more[2]}


def measuring(context, peer):
    return closed_loop(context, peer, calls=False) | instructions(context, peer)


# ---- by pgbench ----

def pgbench(context, peer, arguments=(), script=None, clients=16, connect=False, auth="trust", tls=False,
            bytes_each=0):
    words = list(arguments)
    if script:
        file = context.machine.directory / "script.sql"
        file.write_text(script + "\n")
        words += ["-f", str(file)]
    if connect:
        words.append("-C")

    def run(seconds):
        return context.machine.pgbench(running.port, ["-n", "-c", str(clients), "-j", "1", "-T",
                                                      str(max(1, round(seconds))), *words],
                                       user="secret" if auth != "trust" else "bench", tls=tls)

    def count(text):
        return int(re.search(r"number of transactions actually processed: (\d+)", text)[1])

    with context.machine.started(peer, auth=auth) as running:
        result, text = measured(running, lambda: run(context.seconds), count)
        if "number of failed transactions: 0 " not in text:
            raise Failed("pgbench: transactions failed")
        result["throughput"] = float(re.search(r"tps = ([\d.]+)", text)[1])
        result["mean_ms"] = float(re.search(r"latency average = ([\d.]+)", text)[1])
        if bytes_each and "cpu_us" in result:
            result["cpu_s_per_gb"] = result["cpu_us"] / bytes_each * 1e3
    return result


# ---- COPY ----

def copy(context, peer, into=False):
    megabytes = 16 if context.quick else 256
    file = context.machine.directory / "rows"
    row = "x" * 1023 + "\n"
    with context.machine.started(peer) as running:
        if into:
            file.write_text(row * (megabytes * 1024))
            with file.open() as rows:
                before, start = figures.Usage(running.pid) if running.pid else None, time.monotonic()
                # No row is kept: what is measured is the way there.
                context.machine.program("psql", running.port, ["-XqAt", "-d", "bench", "-c",
                                        "copy bulk from stdin where length(line) = 0"], stdin=rows)
        else:
            before, start = figures.Usage(running.pid) if running.pid else None, time.monotonic()
            context.machine.program("psql", running.port, ["-XqAt", "-d", "bench", "-o", "/dev/null", "-c",
                                    f"copy (select repeat('x', 1023) from generate_series(1, {megabytes * 1024})) "
                                    "to stdout"])
        seconds = time.monotonic() - start
        result = {"megabytes": megabytes, "mb_per_second": megabytes / seconds}
        if before:
            result["cpu_s_per_gb"] = (figures.Usage(running.pid).cpu - before.cpu) / 1e9 * 1024 / megabytes
    return result


SCENARIOS = [
    *(Scenario(f"select1-{clients}", f"select 1, {clients} clients, closed loop", closed_loop, {"clients": clients})
      for clients in (1, 16, 64, 256)),
    Scenario("extended-64", "select 1 parsed each time, 64 clients", closed_loop, {"protocol": "extended", "calls": False}),
    Scenario("prepared-64", "select 1 prepared once, 64 clients", closed_loop, {"protocol": "prepared", "calls": False}),
    *(Scenario(f"pgbench-{mode}", f"pgbench -S -M {mode}, 16 clients", pgbench, {"arguments": ["-S", "-M", mode]})
      for mode in ("simple", "extended", "prepared")),
    Scenario("tpcb", "pgbench's default, like TPC-B, 16 clients", pgbench, {}),
    Scenario("megabyte", "results of 1 MB, 16 clients", pgbench,
             {"script": "select repeat('x', 1000000);", "bytes_each": 1000000}),
    Scenario("copy-out", "COPY TO STDOUT, one client", copy),
    Scenario("copy-in", "COPY FROM STDIN, one client", copy, {"into": True}),
    Scenario("churn-trust", "a connection per transaction, 16 clients", pgbench,
             {"script": "select 1;", "connect": True}),
    Scenario("churn-scram", "the same with SCRAM", pgbench,
             {"script": "select 1;", "connect": True, "auth": "scram-sha-256"}),
    Scenario("churn-tls", "the same with TLS", pgbench, {"script": "select 1;", "connect": True, "tls": True}),
    Scenario("tls-select1-64", "select 1 over TLS, 64 clients", pgbench,
             {"script": "select 1;", "clients": 64, "tls": True}),
    Scenario("tls-megabyte", "results of 1 MB over TLS, 16 clients", pgbench,
             {"script": "select repeat('x', 1000000);", "bytes_each": 1000000, "tls": True}),
    *(Scenario(f"idle-{count}", f"{count} idle clients", with_idle, {"idle": count}, poolers_only=True)
      for count in (1000, 5000, 10000)),
    *(Scenario(f"active-among-{count}", f"16 active clients among {count} idle ones", with_idle,
               {"idle": count, "active": 16}, poolers_only=True) for count in (5000, 10000)),
    Scenario("overload-500", "select 1, 500 clients", closed_loop, {"clients": 500, "calls": False}),
    Scenario("one-pool", "select 1, 200 clients, one pool of 200", closed_loop,
             {"clients": USERS, "pool_size": USERS, "calls": False}, poolers_only=True),
    Scenario("many-pools", "the same in 200 pools of 1, by user", closed_loop,
             {"clients": USERS, "users": USERS, "pool_size": 1, "calls": False}, poolers_only=True),
    *(Scenario(f"workers-{count}", f"select 1, 64 clients, {count} workers", closed_loop,
               {"workers": count, "calls": False}, pgweir_only=True) for count in (1, 2, 4)),
    Scenario("instructions", "of user space for one of pgbench -S, 8 clients; without the kernel", instructions),
    Scenario("measuring", "select 1, 64 clients, against a build that does not measure", measuring),
]
