"""What a sweep says, and how advice is judged by it."""

import math
import os
from statistics import median

TARGET_MS = 10.0  # pgweir's default advice.target_wait


def truth_of(points):
    """{size: medians of throughput, p99_ms and p99_wait_ms}, and the best and the acceptable sizes.

    Sizes within 5 % of the best throughput count; of them the smallest that keeps the target and is within
    10 % of the best p99 response is the best; if none keeps it, the smallest within 5 % of the best response.
    Acceptable are those within 5 % of the best one's throughput and 10 % of its p99 response, that keep the
    target if it does.
    """
    sizes = {}
    for point in points:
        sizes.setdefault(point["size"], []).append(point)
    table = {size: {key: median(it[key] for it in of_size) for key in ("throughput", "p99_ms", "p99_wait_ms")}
             for size, of_size in sorted(sizes.items())}
    most = max(it["throughput"] for it in table.values())
    enough = {size: it for size, it in table.items() if it["throughput"] >= 0.95 * most}
    fastest = min(it["p99_ms"] for it in enough.values())
    kept = [size for size, it in enough.items()
            if it["p99_wait_ms"] <= TARGET_MS and it["p99_ms"] <= 1.1 * fastest]
    close = [size for size, it in enough.items() if it["p99_ms"] <= 1.05 * fastest]
    best = min(kept or close)
    good = [size for size, it in table.items()
            if it["throughput"] >= 0.95 * table[best]["throughput"] and it["p99_ms"] <= 1.1 * table[best]["p99_ms"]
            and (not kept or it["p99_wait_ms"] <= TARGET_MS)]
    return table, best, good


def between(table, size, key):
    """The value at a size between two that were swept, on a line; the nearest one's beyond."""
    sizes = sorted(table)
    if size <= sizes[0]:
        return table[sizes[0]][key]
    for low, high in zip(sizes, sizes[1:]):
        if size <= high:
            part = (size - low) / (high - low)
            return table[low][key] * (1 - part) + table[high][key] * part
    return table[sizes[-1]][key]


def acceptable(size, table, good, best):
    """Whether a size is, going by its neighbours in the sweep when it was not in it; a size that differs from
    the best one by 1 is within what a sweep can tell."""
    if abs(size - best) <= 1:
        return True
    swept = sorted(table)
    if size in table:
        return size in good
    low = [it for it in swept if it < size]
    high = [it for it in swept if it > size]
    return bool(low) and low[-1] in good and (not high or high[0] in good)


def regrets(size, table, best):
    """Throughput lost and p99 response gained, as shares of the best size's."""
    lost = 1 - between(table, size, "throughput") / table[best]["throughput"]
    longer = between(table, size, "p99_ms") / max(0.001, table[best]["p99_ms"]) - 1
    return max(0.0, lost), max(0.0, longer)


def advised(point):
    text = point["advice"].get("advice", "")
    return int(text) if text else None


def baselines(point):
    """What else people go by: a rule for cores, the mean in use over 0.8, and 99 % of it."""
    total = sum(time for _, time in point["in_use"]) or 1
    mean = sum(level * time for level, time in point["in_use"]) / total
    seen, p99 = 0, 0
    for level, time in sorted(point["in_use"]):
        seen += time
        if seen >= 0.99 * total:
            p99 = level
            break
    return {"cores x 2 + 1": 2 * (os.cpu_count() or 1) + 1, "mean in use / 0.8": max(1, math.ceil(mean / 0.8)),
            "p99 in use": max(1, p99)}


def what_if_hits(point, table):
    """Of the sizes that were swept and predicted: how many p99 waits lie within a factor of 1.5 or 2 ms."""
    hits = all_of = 0
    for row in point["what_if"]:
        size = int(row["size"])
        if size not in table:
            continue
        said, met = int(row["p99_wait_us"]) / 1000, table[size]["p99_wait_ms"]
        all_of += 1
        hits += abs(said - met) <= 2 or met / 1.5 <= said <= met * 1.5
    return hits, all_of
