"""Named checks for driver programs: each runs for all clients at the same time, and says PASS or FAIL.

A check gets a Client, which keeps its connection from check to check; after a failure it gets a new one. What a
client asks carries its tag, so that a reply of somebody else is noticed. A check that hangs ends the program,
since the connections it holds would spoil the others.
"""

import asyncio
import os
import sys
import threading
import time
import traceback

CLIENTS = 20
ROUNDS = 8  # more than any driver's threshold for preparing
PATIENCE = 60  # seconds for one check of all clients; only a broken one needs them

THROUGH_PGWEIR = os.environ.get("PGWEIR_TARGET") == "pgweir"
POOL_SIZE = int(os.environ.get("PGWEIR_POOL_SIZE", "0"))


class Client:
    def __init__(self, number):
        self.number = number
        self.conn = None
        self.count = 0
        self.barrier = None

    def tag(self):
        self.count += 1
        return f"client{self.number}-{self.count}"

    def key(self):
        """An integer that no other client makes."""
        self.count += 1
        return self.number * 1_000_000 + self.count


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {shorten(got)}, wanted {shorten(wanted)}")


def true(holds, what):
    if not holds:
        raise AssertionError(what)


def shorten(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + f"... ({len(text)} characters)"


def sqlstate(error):
    """Of a driver's exception, also when an ORM has wrapped it."""
    while error is not None:
        for name in ("sqlstate", "pgcode"):
            if getattr(error, name, None):
                return getattr(error, name)
        error = getattr(error, "orig", None) or error.__cause__
    return None


class expect_error:
    """with expect_error("23505"): the statements inside must fail with this SQLSTATE."""

    def __init__(self, wanted):
        self.wanted = wanted

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            raise AssertionError(f"no error, wanted {self.wanted}")
        if not isinstance(error, Exception) or isinstance(error, AssertionError):
            return False
        if sqlstate(error) != self.wanted:
            raise AssertionError(
                f"got error {sqlstate(error)} ({describe(error)}), wanted {self.wanted}"
            ) from error
        return True


def describe(error):
    text = " ".join(str(error).split())
    where = traceback.extract_tb(error.__traceback__)
    line = next((f.lineno for f in reversed(where) if f.filename == sys.argv[0]), None)
    return f"{type(error).__name__}: {text[:300]}" + (f" (line {line})" if line else "")


class Report:
    def __init__(self, driver):
        self.driver = driver
        self.passed = 0
        self.failed = 0
        self.wanted = sys.argv[1:]
        self.names = set()
        self.started = 0.0

    def selects(self, name):
        true(name not in self.names, f"two checks are named {name}")
        self.names.add(name)
        self.started = time.monotonic()
        return not self.wanted or name in self.wanted

    def finish(self, name, failures):
        """failures: (client number, exception) of the clients that failed."""
        if not failures:
            self.passed += 1
            print(f"PASS {self.driver} {name} ({time.monotonic() - self.started:.1f} s)", flush=True)
            return
        self.failed += 1
        number, error = failures[0]
        print(f"FAIL {self.driver} {name}: {len(failures)} clients, as client {number}: {describe(error)}", flush=True)
        if os.environ.get("CHECKS_TRACE"):
            traceback.print_exception(error)

    def hung(self, name):
        print(f"FAIL {self.driver} {name}: not done after {PATIENCE} seconds; the checks after it did not run")
        self.failed += 1
        self.end()

    def end(self):
        for name in self.wanted:
            if name not in self.names:
                print(f"there is no check {name}")
                self.failed += 1
        print(f"{self.driver}: {self.passed} passed, {self.failed} failed", flush=True)
        # Not sys.exit: a thread that hangs would keep the process.
        os._exit(1 if self.failed or not self.passed else 0)


class Threads:
    """Checks with a thread for each client. `connect` gives a client its connection, `close` ends it."""

    def __init__(self, driver, connect, close):
        self.report = Report(driver)
        self.connect = connect
        self.close = close
        self.clients = [Client(n) for n in range(CLIENTS)]

    def check(self, function):
        name = function.__name__
        if not self.report.selects(name):
            return
        failures = []
        barrier = threading.Barrier(CLIENTS)

        def work(client):
            client.barrier = barrier
            try:
                if client.conn is None:
                    client.conn = self.connect(client)
                function(client)
            except Exception as error:
                # The others are not to wait for one that failed.
                barrier.abort()
                if not isinstance(error, threading.BrokenBarrierError):
                    failures.append((client.number, error))
                broken, client.conn = client.conn, None
                try:
                    if broken is not None:
                        self.close(broken)
                except Exception:
                    pass  # it is broken already

        threads = [threading.Thread(target=work, args=(c,), daemon=True) for c in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                self.report.hung(name)
        self.report.finish(name, failures)

    def end(self):
        def work(client):
            if client.conn is not None:
                self.close(client.conn)
                client.conn = None

        self.report.started = time.monotonic()
        failures = []
        for client in self.clients:
            try:
                work(client)
            except Exception as error:
                failures.append((client.number, error))
        self.report.finish("close", failures)
        self.report.end()


class AsyncBarrier:
    """As asyncio.Barrier, which not every Python 3 has, but for one use in a check."""

    def __init__(self, parties):
        self.missing = parties
        self.event = asyncio.Event()
        self.broken = False

    async def wait(self):
        true(self.missing > 0 or self.broken, "the barrier has been used already")
        self.missing -= 1
        if self.missing == 0:
            self.event.set()
        await self.event.wait()
        if self.broken:
            raise threading.BrokenBarrierError()

    def abort(self):
        self.broken = True
        self.event.set()


class Tasks:
    """The same with a task for each client."""

    def __init__(self, driver, connect, close):
        self.report = Report(driver)
        self.connect = connect
        self.close = close
        self.clients = [Client(n) for n in range(CLIENTS)]

    async def check(self, function):
        name = function.__name__
        if not self.report.selects(name):
            return
        failures = []
        barrier = AsyncBarrier(CLIENTS)

        async def work(client):
            client.barrier = barrier
            try:
                if client.conn is None:
                    client.conn = await self.connect(client)
                await function(client)
            except Exception as error:
                barrier.abort()
                if not isinstance(error, threading.BrokenBarrierError):
                    failures.append((client.number, error))
                broken, client.conn = client.conn, None
                try:
                    if broken is not None:
                        await asyncio.wait_for(self.close(broken), 5)
                except Exception:
                    pass  # it is broken already

        tasks = [asyncio.create_task(work(c)) for c in self.clients]
        done, pending = await asyncio.wait(tasks, timeout=PATIENCE)
        if pending:
            for task in list(pending)[:1]:
                task.print_stack(file=sys.stdout)
            self.report.hung(name)
        self.report.finish(name, failures)

    async def end(self):
        self.report.started = time.monotonic()
        failures = []
        for client in self.clients:
            try:
                if client.conn is not None:
                    await asyncio.wait_for(self.close(client.conn), PATIENCE)
            except Exception as error:
                failures.append((client.number, error))
        self.report.finish("close", failures)
        self.report.end()


ZONES = ("UTC", "Asia/Tokyo", "America/Lima", "Europe/Rome", "Africa/Cairo", "Asia/Kolkata", "Australia/Perth")


def settings_of(client):
    """What the client sets, and what SHOW then says: reported parameters and others."""
    n = client.number
    return {
        "application_name": f"app of client {n}",
        "timezone": ZONES[n % len(ZONES)],
        "datestyle": ("ISO, MDY", "ISO, DMY", "ISO, YMD")[n % 3],
        "statement_timeout": f"{100_001 + n}ms",
        "search_path": f"place{n}, public",
        "work_mem": f"{1001 + n}kB",
        "default_transaction_isolation": ("read committed", "repeatable read", "serializable")[n % 3],
    }


# DDL for all Python drivers. A schema for each client, so that search_path decides what a query finds.
SCHEMA = [
    "create table items (id bigint primary key, owner int not null, body text)",
    "create table copied (owner int, n int, body text)",
    *[f"create schema place{n}" for n in range(CLIENTS)],
    *[f"create table place{n}.here as select {n} as owner" for n in range(CLIENTS)],
    *[f"create table changing{n} (id int, body text)" for n in range(CLIENTS)],
]
