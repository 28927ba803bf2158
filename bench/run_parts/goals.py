"""The goals of the product, as far as one run of this program can tell. A goal is a figure that is made from
medians, and a bound; `peers.get(scenario, peer, figure)` is None where something was not measured, and so is the
goal."""

from dataclasses import dataclass
from typing import Callable

SMALL = ["select1-16", "select1-64", "select1-256", "prepared-64", "pgbench-simple", "pgbench-prepared", "tpcb"]


@dataclass
class Goal:
    what: str
    bound: float
    at_most: bool
    value: Callable  # (medians) -> number or None

    def judge(self, value):
        if value is None:
            return "not measured"
        return "met" if (value <= self.bound if self.at_most else value >= self.bound) else "missed"


def ratio(scenario, figure, against, own="pgweir"):
    def value(medians):
        mine, theirs = medians.get(scenario, own, figure), medians.get(scenario, against, figure)
        return mine / theirs if mine is not None and theirs else None
    return value


def own(scenario, figure, factor=1):
    def value(medians):
        found = medians.get(scenario, "pgweir", figure)
        return None if found is None else found * factor
    return value


def between(later, earlier, figure="cpu_us"):
    def value(medians):
        now, then = medians.get(later, "pgweir", figure), medians.get(earlier, "pgweir", figure)
        return now / then if now is not None and then else None
    return value


def added_latency(medians):
    mine, theirs, direct = (medians.get("select1-1", peer, "p50_ms") for peer in ("pgweir", "pgbouncer", "direct"))
    return (mine - direct) / (theirs - direct) if None not in (mine, theirs, direct) and theirs > direct else None


def most(*goals):
    def value(medians):
        values = [it(medians) for it in goals]
        values = [it for it in values if it is not None]
        return max(values) if values else None
    return value


def least(*goals):
    def value(medians):
        values = [it(medians) for it in goals]
        values = [it for it in values if it is not None]
        return min(values) if values else None
    return value


def p99_over_p50(medians):
    p99, p50 = (medians.get("overload-500", "pgweir", name) for name in ("p99_ms", "p50_ms"))
    return p99 / p50 if p99 and p50 else None


def at_most(what, bound, value):
    return Goal(what, bound, True, value)


def at_least(what, bound, value):
    return Goal(what, bound, False, value)


GOALS = [
    at_most("system calls per select 1, 64 clients", 4.2, own("select1-64", "calls")),
    at_most("system calls per select 1, 1 client", 6.0, own("select1-1", "calls")),
    at_most("CPU per small transaction / PgBouncer, 16 to 256 clients, the worst", 0.80,
            most(*(ratio(it, "cpu_us", "pgbouncer") for it in SMALL))),
    at_most("CPU per small transaction / PgBouncer, 1 client", 0.95, ratio("select1-1", "cpu_us", "pgbouncer")),
    at_most("CPU per small transaction / HAProxy, 16 to 256 clients, the worst", 1.00,
            most(*(ratio(it, "cpu_us", "haproxy") for it in SMALL))),
    at_least("throughput / PgBouncer, select 1, 64 clients", 1.15, ratio("select1-64", "throughput", "pgbouncer")),
    at_least("throughput / PgBouncer, 500 clients", 1.15, ratio("overload-500", "throughput", "pgbouncer")),
    at_least("-M extended: throughput / PgBouncer", 1.35, ratio("pgbench-extended", "throughput", "pgbouncer")),
    at_least("-M extended: throughput / PostgreSQL alone", 1.05, ratio("pgbench-extended", "throughput", "direct")),
    at_most("1 MB results: CPU per byte / PgBouncer", 0.28, ratio("megabyte", "cpu_s_per_gb", "pgbouncer")),
    at_most("1 MB results: CPU per byte / HAProxy", 1.10, ratio("megabyte", "cpu_s_per_gb", "haproxy")),
    at_most("COPY out: CPU per byte / PgBouncer", 0.28, ratio("copy-out", "cpu_s_per_gb", "pgbouncer")),
    at_most("COPY out: CPU per byte / HAProxy", 1.10, ratio("copy-out", "cpu_s_per_gb", "haproxy")),
    at_most("COPY in: CPU per byte / PgBouncer", 0.55, ratio("copy-in", "cpu_s_per_gb", "pgbouncer")),
    at_least("connections per second / PgBouncer, trust", 1.1, ratio("churn-trust", "throughput", "pgbouncer")),
    at_least("connections per second / PgBouncer, SCRAM", 1.1, ratio("churn-scram", "throughput", "pgbouncer")),
    at_least("connections per second / PgBouncer, TLS", 1.5, ratio("churn-tls", "throughput", "pgbouncer")),
    at_most("CPU per connection / PgBouncer, the worst of the three", 0.8,
            most(*(ratio(f"churn-{it}", "cpu_us", "pgbouncer") for it in ("trust", "scram", "tls")))),
    at_most("memory per idle client, KiB (10,000)", 1.5, own("idle-10000", "pss_bytes", 1 / 1024)),
    at_most("latency added for one client / PgBouncer's, p50", 0.90, added_latency),
    at_least("fairness between 500 clients (Jain's index)", 0.999, own("overload-500", "fairness")),
    at_most("p99 / p50 with 500 clients", 1.4, p99_over_p50),
    at_most("CPU at rest with 10,000 idle clients, share of a core", 0.002, own("idle-10000", "rest_cpu_share")),
    at_least("throughput of 16 clients with 10,000 idle / without", 0.97, own("active-among-10000", "kept")),
    at_most("TLS: CPU per select 1, 64 clients / PgBouncer", 0.75, ratio("tls-select1-64", "cpu_us", "pgbouncer")),
    at_most("TLS: CPU per byte of 1 MB results / PgBouncer", 0.40, ratio("tls-megabyte", "cpu_s_per_gb", "pgbouncer")),
    at_most("measuring: CPU per transaction on / off", 1.01, ratio("measuring", "cpu_us", "unmeasured")),
    at_most("measuring: instructions per transaction on / off", 1.01,
            ratio("measuring", "instructions", "unmeasured")),
    at_most("allocations per transaction", 0.01, own("instructions", "allocations")),
    at_most("CPU per transaction, 200 pools / 1 pool", 1.05, between("many-pools", "one-pool")),
    at_most("CPU per transaction, among 10,000 clients / among 5,000", 1.05,
            between("active-among-10000", "active-among-5000")),
    at_most("CPU per transaction, 4 workers / 1", 1.10, between("workers-4", "workers-1")),
]
