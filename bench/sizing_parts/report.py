"""The table with the bars, and a picture of each sweep."""

import math

import judge


def percent(part, whole):
    return f"{100 * part / whole:.0f} % ({part} of {whole})" if whole else "-"


class Score:
    """Observations of all workloads against the bars."""

    def __init__(self, studies):
        self.swept = [it for it in studies if it["workload"].sweep]
        self.rows = []
        inside = [self.judged(it, point) for it in self.swept for point in it["observed"]
                  if point["size"] >= 0.8 * it["best"] - 0.5]
        told = [it for it in inside if it is not None]
        hits = [judge.what_if_hits(point, it["table"]) for it in self.swept for point in it["observed"]]
        ends = [(it, steps[-1]) for it in self.swept for steps in it["converged"]]
        self.add("advised size acceptable, observed at 0.8 x best and more", [it["ok"] for it in told], "80 %", "90 %")
        self.add("throughput regret at most 5 %", [it["lost"] <= 0.05 for it in told], "95 %", "always")
        self.add("p99 response regret at most 10 %", [it["longer"] <= 0.10 for it in told], "85 %", "95 %")
        self.add("no harm: p99 response at most 10 % above the present size's", [it["harmless"] for it in told],
                 "97 %", "always")
        self.add("acceptable after at most 5 steps",
                 [judge.acceptable(end, it["table"], it["good"], it["best"]) for it, end in ends], "90 %", "98 %")
        self.add("what-if p99 wait within a factor of 1.5, or 2 ms",
                 [True] * sum(it for it, _ in hits) + [False] * sum(all_of - it for it, all_of in hits), "75 %", "90 %")

    @staticmethod
    def judged(it, point):
        size = judge.advised(point)
        if size is None:
            return None
        lost, longer = judge.regrets(size, it["table"], it["best"])
        here, there = (judge.between(it["table"], at, "p99_ms") for at in (point["size"], size))
        return {"ok": judge.acceptable(size, it["table"], it["good"], it["best"]), "lost": lost, "longer": longer,
                "harmless": there <= 1.1 * here}

    def add(self, what, results, bar, aim):
        self.rows.append((what, percent(sum(results), len(results)), bar, aim))


def mark(size, it):
    return f"{size}" if judge.acceptable(size, it["table"], it["good"], it["best"]) else f"**{size}**"


def write(directory, studies, lengths, repeats):
    lines = ["# Advice against truth", "",
             f"Runs of {lengths['sweep'][0]} s in the sweep ({repeats} of each size), {lengths['observe'][0]} s to "
             f"observe, {lengths['converge'][0]} s for each step. Sizes in bold are not acceptable.", "",
             "| workload | best | acceptable | advice observed at 0.5, 0.8, 1 and 3 x best | from best / 3 | from best "
             "x 4 | cores x 2 + 1 | mean in use / 0.8 | p99 in use | runs on a busy machine |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for it in studies:
        if not it["workload"].sweep:
            continue
        advice = ", ".join("none" if judge.advised(point) is None else
                           f"{mark(judge.advised(point), it)} {point['advice']['verdict']}"
                           for point in it["observed"])
        steps = [" > ".join(str(size) for size in path[:-1]) + (" > " if len(path) > 1 else "") + mark(path[-1], it)
                 for path in it["converged"]]
        others = judge.baselines(it["observed"][2])
        every = it["points"] + it["observed"]
        noisy = sum(not point["quiet"] for point in every)
        good = ", ".join(map(str, it["good"]))
        lines.append("| " + " | ".join([it["workload"].name, str(it["best"]), good, advice, *steps,
                                        *(mark(size, it) for size in others.values()),
                                        f"{noisy} of {len(every)}"]) + " |")
        (directory / f"{it['workload'].name}.svg").write_text(picture(it))
    score = Score(studies)
    lines += ["", "| figure | measured | bar | aim |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in score.rows]
    lines += ["", "| workload | what decides | said at 1 x best |", "|---|---|---|"]
    for it in studies:
        point = it["observed"][2 if it["workload"].sweep else 0]
        said = f"{point['advice']['decided_by']}: {point['advice']['in_short']}".replace("\n", " ")
        lines.append(f"| {it['workload'].name} | {it['workload'].verdict} | {said} |")
    (directory / "README.md").write_text("\n".join(lines) + "\n")


WIDTH, HEIGHT, LEFT, TOP = 640, 320, 60, 40


def picture(it):
    """p99 response over size, both logarithmic, the acceptable sizes as full dots; advice as lines from where it
    was observed to what was advised."""
    table, sizes = it["table"], sorted(it["table"])
    low, high = sizes[0], max(sizes[-1], max(point["size"] for point in it["observed"]))
    times = [row["p99_ms"] for row in table.values()]
    bottom, top = min(times) / 1.3, max(times) * 1.3

    def x(size):
        return LEFT + (WIDTH - LEFT - 20) * math.log(max(size, low) / low) / math.log(max(high / low, 1.01))

    def y(time):
        return TOP + (HEIGHT - TOP - 60) * (1 - math.log(time / bottom) / math.log(top / bottom))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
           'font-size="12">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="14">{it["workload"].name}: {it["workload"].what}</text>',
           f'<text x="{WIDTH - 20}" y="{HEIGHT - 8}" text-anchor="end">pool size</text>',
           f'<text x="{LEFT}" y="{TOP - 4}">p99 response, ms</text>']
    path = " ".join(f"{x(size):.1f},{y(table[size]['p99_ms']):.1f}" for size in sizes)
    out.append(f'<polyline points="{path}" fill="none" stroke="#447"/>')
    for size in sizes:
        fill = "#447" if size in it["good"] else "white"
        out.append(f'<circle cx="{x(size):.1f}" cy="{y(table[size]["p99_ms"]):.1f}" r="4" fill="{fill}" stroke="#447"/>')
        out.append(f'<text x="{x(size):.1f}" y="{HEIGHT - 42}" text-anchor="middle">{size}</text>')
    for value in (min(times), table[it["best"]]["p99_ms"], max(times)):
        out.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.0f}</text>')
    best = x(it["best"])
    out.append(f'<line x1="{best:.1f}" y1="{TOP}" x2="{best:.1f}" y2="{HEIGHT - 56}" stroke="#2a2" stroke-dasharray="4"/>')
    for row, point in enumerate(it["observed"]):
        size = judge.advised(point)
        if size is None:
            continue
        level = TOP + 14 + 14 * row
        out.append(f'<line x1="{x(point["size"]):.1f}" y1="{level}" x2="{x(size):.1f}" y2="{level}" stroke="#c40"/>'
                   f'<circle cx="{x(point["size"]):.1f}" cy="{level}" r="2" fill="#c40"/>'
                   f'<rect x="{x(size) - 4:.1f}" y="{level - 4}" width="8" height="8" fill="#c40"/>')
    out.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">dashed: best; full dots: acceptable; red: from the size it was '
               'observed at to the advice</text>')
    return "\n".join(out) + "\n</svg>\n"
