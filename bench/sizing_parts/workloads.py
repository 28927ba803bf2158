"""The workloads: what arrives when, and what it does. Everything is drawn from a seed, so that the same
traffic can be sent to pools of different sizes. Work is time that passes (pg_sleep), not CPU, so a size means
the same on a machine with two cores as on a larger one."""

import random
from dataclasses import dataclass
from typing import Callable, List, Optional

SETUP = """
do $$ begin create role neighbour login; exception when duplicate_object then null; end $$;
create table if not exists hot (id int primary key, n bigint not null);
insert into hot values (1, 0) on conflict do nothing;
-- As many statements at once as the emulator has cores; the others wait for one of them.
create or replace function work_on_cores(cores int, seconds float8) returns void language plpgsql as $$
declare
  first int := floor(random() * cores);
  core int;
begin
  for i in 0 .. cores - 1 loop
    core := (first + i) % cores;
    if pg_try_advisory_lock(7000, core) then
      perform pg_sleep(seconds), pg_advisory_unlock(7000, core);
      return;
    end if;
  end loop;
  perform pg_advisory_lock(7000, first);
  perform pg_sleep(seconds), pg_advisory_unlock(7000, first);
end $$;
create or replace function work_on_hot_row(own float8, hot float8) returns void language plpgsql as $$
begin
  perform pg_sleep(own);
  update hot set n = n + 1 where id = 1;
  perform pg_sleep(hot);
end $$;
"""


@dataclass
class Workload:
    name: str
    what: str
    jobs: Callable[[random.Random, float], List[str]]  # lines of a schedule, for so many seconds
    sizes: List[int]  # of the sweep
    verdict: str  # what should decide: pool, server, ...
    clients: Optional[int] = None  # closed loop
    sweep: bool = True  # False: only what is said of it counts
    seconds: Optional[int] = None  # of the one run without a sweep
    neighbour: Optional[Callable[[random.Random, float], List[str]]] = None  # a pool beside it, of two servers
    neighbour_clients: int = 8  # its closed loop


def sleep(seconds: float) -> str:
    return f"select pg_sleep({seconds:.6f})"


def poisson_times(draw: random.Random, rate: float, start: float, end: float):
    at = start
    while True:
        at += draw.expovariate(rate)
        if at >= end:
            return
        yield at


def line(at: float, *steps: str) -> str:
    return "\t".join((str(int(at * 1e6)),) + steps)


def poisson(draw, seconds):
    return [line(at, sleep(draw.expovariate(100))) for at in poisson_times(draw, 400, 0, seconds)]


def bimodal(draw, seconds):
    return [line(at, sleep(1.0 if draw.random() < 0.005 else 0.004))
            for at in poisson_times(draw, 300, 0, seconds)]


def bursty(draw, seconds):
    lines, at, high = [], 0.0, False
    while at < seconds:
        end = min(seconds, at + draw.expovariate(1 / (0.25 if high else 1.0)))
        lines += [line(it, sleep(draw.expovariate(100)))
                  for it in poisson_times(draw, 1000 if high else 150, at, end)]
        at, high = end, not high
    return lines


def herd(draw, seconds):
    arrivals = [(at, draw.expovariate(100)) for at in poisson_times(draw, 100, 0, seconds)]
    for second in range(1, int(seconds)):
        arrivals += [(float(second), draw.expovariate(100)) for _ in range(25)]
    return [line(at, sleep(work)) for at, work in sorted(arrivals)]


def thinking(draw, seconds):
    return [line(at, "begin", sleep(draw.expovariate(500)), f"think {int(draw.expovariate(1 / 12000))}",
                 sleep(draw.expovariate(1000)), "commit")
            for at in poisson_times(draw, 200, 0, seconds)]


def closed(draw, seconds):
    return [line(draw.expovariate(1 / 0.06), sleep(draw.expovariate(100))) for _ in range(4000)]


def cores(draw, seconds):
    return [line(draw.expovariate(1 / 0.02), f"select work_on_cores(4, {draw.expovariate(100):.6f})")
            for _ in range(4000)]


def hot_row(draw, seconds):
    return [line(draw.expovariate(1 / 0.02),
                 f"select work_on_hot_row({draw.expovariate(100):.6f}, {draw.expovariate(500):.6f})")
            for _ in range(4000)]


def mixed(draw, seconds):
    return [line(at, f"select work_on_cores(4, {draw.expovariate(100):.6f})")
            for at in poisson_times(draw, 100, 0, seconds)]


def incident(draw, seconds):
    # Everything takes five times as long for the last quarter of the time. What is usual shows in whole minutes.
    return [line(at, sleep(draw.expovariate(100) * (5 if at > 0.75 * seconds else 1)))
            for at in poisson_times(draw, 200, 0, seconds)]


WORKLOADS = [
    Workload("poisson", "400 a second, independent, 10 ms each (exponential)", poisson,
             [3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 18, 24], "pool"),
    Workload("bimodal", "300 a second, 4 ms each, and 0.5 % of them 1 s", bimodal,
             [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 22], "pool"),
    Workload("bursty", "150 a second, in bursts 1,000 a second, 10 ms each", bursty,
             [4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 30, 40], "pool"),
    Workload("herd", "100 a second and 25 at once each second, 10 ms each", herd,
             [3, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 30], "pool"),
    Workload("thinking", "200 a second, 3 ms of work and 12 ms idle in transaction", thinking,
             [3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 18, 24], "idle in transaction"),
    Workload("closed", "60 clients, 60 ms between transactions of 10 ms", closed,
             [5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 28], "pool", clients=60),
    Workload("cores", "40 clients, 10 ms each on a server of 4 cores", cores,
             [2, 3, 4, 5, 6, 8, 10, 14, 20, 28, 40], "server", clients=40),
    Workload("hot_row", "30 clients, 10 ms of own work, then 2 ms with a lock on the same row", hot_row,
             [2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 30], "server", clients=30),
    Workload("mixed", "100 a second of 10 ms on a server of 4 cores, of which another pool always uses 2", mixed,
             [1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 20], "pool", neighbour=cores),
    Workload("incident", "200 a second of 10 ms, for the last two of eight minutes of 50 ms", incident,
             [6], "no growth", sweep=False, seconds=480),
]
