"""Medians, the tables, and a picture of each scenario."""

import html
import json
import statistics

from goals import GOALS
from servers import Failed

# What is shown of each run, if it was measured: name, heading, format, and whether less is better (None: neither).
COLUMNS = [("throughput", "per second", ",.0f"), ("mb_per_second", "MB/s", ",.0f"), ("mean_ms", "mean ms", ".3f"), ("p50_ms", "p50 ms", ".3f"),
           ("p90_ms", "p90 ms", ".3f"), ("p99_ms", "p99 ms", ".3f"), ("max_ms", "max ms", ".1f"),
           ("fairness", "fairness", ".4f"), ("cpu_us", "CPU us", ".1f"), ("kernel_share", "in the kernel", ".0%"),
           ("cpu_s_per_gb", "CPU s/GB", ".2f"), ("instructions", "instructions", ",.0f"),
           ("allocations", "allocations", ".2f"), ("calls", "calls", ".2f"), ("switches", "switches", ".2f"), ("pss_bytes", "bytes/client", ",.0f"),
           ("rest_cpu_share", "CPU at rest", ".2%"), ("kept", "with idle / without", ".3f")]
BUSY = 0.1  # of the machine, by others: then a run is marked
MARKS = ("<!-- written by bench/run --into -->", "<!-- until here -->")
CHARTED = [("cpu_us", "CPU us per transaction"), ("cpu_s_per_gb", "CPU s per GB"),
           ("pss_bytes", "bytes per idle client"), ("throughput", "per second")]


class Medians:
    def __init__(self, runs):
        gathered = {}
        for run in runs:
            for name, value in run.get("figures", {}).items():
                if value is not None:
                    gathered.setdefault((run["scenario"], run["peer"], name), []).append(value)
        self.values = {key: statistics.median(values) for key, values in gathered.items()}

    def get(self, scenario, peer, figure):
        return self.values.get((scenario, peer, figure))

    def nested(self):
        tree = {}
        for (scenario, peer, figure), value in self.values.items():
            tree.setdefault(scenario, {}).setdefault(peer, {})[figure] = value
        return tree


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def goals_table(medians):
    lines = ["| figure | measured | goal | |", "|---|---|---|---|"]
    for goal in GOALS:
        value = goal.value(medians)
        if value is not None:
            lines.append(row(goal.what, f"{value:.4g}", f"{'at most' if goal.at_most else 'at least'} {goal.bound:g}",
                             goal.judge(value)))
    return lines


def scenario_table(medians, scenario, peers, runs):
    columns = [it for it in COLUMNS if any(medians.get(scenario.name, peer, it[0]) is not None for peer in peers)]
    lines = ["", f"### {scenario.name}: {scenario.what}", ""]
    base = next((it for it in ("pgbouncer", "unmeasured", "pgweir") if it in peers), peers[0])
    main = next((it[0] for it in columns if it[0] in ("cpu_us", "cpu_s_per_gb")), None)
    headings = [it[1] for it in columns] + ([f"CPU / {base}"] if main else [])
    lines += [row("", *headings), "|---" * (len(headings) + 1) + "|"]
    for peer in peers:
        failures = {run["error"] for run in runs if run["peer"] == peer and "error" in run}
        if failures:
            said = sorted(failures)[0].replace("\n", " ").replace("|", "/")[:160]
            lines.append(row(peer, f"failed: {said}", *[""] * (len(headings) - 1)))
            continue
        cells = []
        for name, _, form in columns:
            value = medians.get(scenario.name, peer, name)
            cells.append("" if value is None else format(value, form))
        if main:
            mine, theirs = (medians.get(scenario.name, it, main) for it in (peer, base))
            cells.append(f"{mine / theirs:.2f}" if mine is not None and theirs else "")
        lines.append(row(peer, *cells))
    busy = sum(run.get("busy_before", 0) > BUSY for run in runs)
    if busy:
        lines += ["", f"{busy} of {len(runs)} runs began while others kept the machine busy."]
    return lines


def header(facts):
    return [f"{facts['rounds']} round(s) of {facts['seconds']} s on {facts['cores']} cores ({facts['cpu']}), "
             f"{facts['date']}, pool of 20, one worker unless said. Medians. "
             + "; ".join(f"{name} {version}" for name, version in facts["versions"].items()) + ".",
             f"Others used {facts['busy_before']:.0%} of the machine before the runs, at the median.", ""]


def write(directory, facts, scenarios, runs, into):
    """results.json, the tables and the pictures in `directory`; the goals between the marks in the file `into`."""
    medians = Medians(runs)
    (directory / "results.json").write_text(json.dumps({"facts": facts, "medians": medians.nested(), "runs": runs},
                                                       indent=1) + "\n")
    lines = ["# What bench/run measured", "", *header(facts), *goals_table(medians)]
    for scenario in scenarios:
        its_runs = [run for run in runs if run["scenario"] == scenario.name]
        peers = list(dict.fromkeys(run["peer"] for run in its_runs))
        if not its_runs:
            continue
        lines += scenario_table(medians, scenario, peers, its_runs)
        drawn = picture(medians, scenario, peers)
        if drawn:
            (directory / f"{scenario.name}.svg").write_text(drawn)
    (directory / "README.md").write_text("\n".join(lines) + "\n")
    if into:
        before, _, rest = into.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        if not after:
            raise Failed(f"{into} has no lines {MARKS[0]} and {MARKS[1]}")
        into.write_text("\n".join([before + MARKS[0], "", *header(facts), *goals_table(medians), "", MARKS[1] + after]))


def picture(medians, scenario, peers):
    """A bar for each peer; None when nothing of it can be drawn."""
    for figure, what in CHARTED:
        values = [(peer, medians.get(scenario.name, peer, figure)) for peer in peers]
        values = [it for it in values if it[1] is not None]
        if len(values) > 1 or (values and figure == "throughput"):
            break
    else:
        return None
    largest, width, left = max(value for _, value in values) or 1, 560, 110
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{60 + 28 * len(values)}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="20" font-size="14">{html.escape(scenario.name + ": " + scenario.what)}</text>',
           f'<text x="10" y="38" fill="#555">{html.escape(what)}</text>']
    for i, (peer, value) in enumerate(values):
        y, length = 50 + 28 * i, (width - left - 90) * value / largest
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{html.escape(peer)}</text>'
                   f'<rect x="{left}" y="{y}" width="{length:.1f}" height="20" '
                   f'fill="{"#c40" if peer == "pgweir" else "#447"}"/>'
                   f'<text x="{left + length + 6:.1f}" y="{y + 15}">{value:,.4g}</text>')
    return "\n".join(out) + "\n</svg>\n"
