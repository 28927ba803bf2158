"""Debian's Prometheus scrapes pgweir and evaluates the alert rules that are shipped. No figure is judged that
depends on time."""

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import psycopg
import yaml

from checks import PATIENCE, POOL_SIZE, equal, true

RULES = Path(__file__).resolve().parents[2] / "admin/deploy/pgweir.rules.yml"
QUERIES = 200


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Prometheus:
    """A private one, gone with its directory."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="pgweir-prometheus-")
        place = Path(self.directory.name)
        (place / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{json.dumps(str(RULES))}]
scrape_configs:
  - job_name: pgweir
    static_configs: [targets: ["127.0.0.1:{os.environ['PGWEIR_METRICS_PORT']}"]]
""")
        self.log = place / "log"
        self.port = free_port()
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()

    def get(self, path, **words):
        """Its answer; None while it is starting."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise AssertionError(f"{path}: {error.read().decode()}") from None
        except OSError:
            if self.process.poll() is not None:
                raise AssertionError(f"Prometheus has ended:\n{self.log.read_text()[-2000:]}") from None
        return None

    def value(self, query):
        """The only value of a query; None while there is none."""
        data = self.get("query", query=query)
        if not data or not data["result"]:
            return None
        (sample,) = data["result"]
        return float(sample["value"][1])

    def rules(self):
        data = self.get("rules")
        return [rule for group in data["groups"] for rule in group["rules"]] if data else []


def until(question, what):
    end = time.monotonic() + PATIENCE
    while True:
        if answer := question():
            return answer
        true(time.monotonic() < end, f"not after {PATIENCE} s: {what}")
        time.sleep(0.05)  # between questions only


def scrapes(prometheus):
    def target():
        found = (prometheus.get("targets") or {}).get("activeTargets", [])
        return found and found[0]["health"] != "unknown" and found[0]

    it = until(target, "a scrape")
    equal((it["health"], it["lastError"]), ("up", ""))


def reads_values(prometheus):
    for query, wanted in (
            ("pgbouncer_up", 1),
            ("pgweir_draining", 0),
            ('pgbouncer_stats_queries_pooled_total{database="app"}', QUERIES),
            ('pgweir_query_seconds_count{database="app",user="app"}', QUERIES),
            ('pgweir_pool_size{database="app",user="app"}', POOL_SIZE),
            ('pgbouncer_databases_pool_size{name="app"}', POOL_SIZE)):
        until(lambda: prometheus.value(query) == wanted, f"{query} is {prometheus.value(query)}, wanted is {wanted}")
    # Histograms are histograms to it: a quantile lies within the bounds, and +Inf counts all.
    median = prometheus.value("histogram_quantile(0.5, pgweir_query_seconds_bucket)")
    true(0 < median < PATIENCE, f"the median of queries is {median}")
    equal(prometheus.value('pgweir_query_seconds_bucket{le="+Inf"}'), QUERIES)
    true(prometheus.value('count({__name__=~"pgweir_.+|pgbouncer_.+"})') > 100, "series")
    known = prometheus.get("targets/metadata", metric="pgweir_query_seconds")
    equal([it["type"] for it in known], ["histogram"])


def evaluates_rules(prometheus):
    names = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}

    def evaluated():
        rules = prometheus.rules()
        return rules and all(rule["health"] != "unknown" for rule in rules) and rules

    rules = until(evaluated, "an evaluation of each rule")
    equal({rule["name"] for rule in rules}, names)
    for rule in rules:
        equal((rule["name"], rule["health"], rule.get("lastError", "")), (rule["name"], "ok", ""))
    # The first evaluation may have been before the first scrape: then pgweir was gone.
    until(lambda: {rule["state"] for rule in prometheus.rules()} == {"inactive"},
          f"states {[(rule['name'], rule['state']) for rule in prometheus.rules()]}")


def raises_an_alert(prometheus):
    """A full pool with clients that wait."""
    def state():
        return {rule["name"]: rule["state"] for rule in prometheus.rules()}.get("PgweirPoolExhausted")

    with psycopg.connect(dbname="pgweir", user="dba", password="dba", autocommit=True) as console:
        console.execute("SET alert_exhaustion_horizon = '1h'")  # else a minute has to pass before it begins
        console.execute("SET alert_hold = '1s'")  # and another until it ends
    holders = [psycopg.connect() for _ in range(POOL_SIZE)]  # each begins a transaction
    for holder in holders:
        holder.execute("select 1")
    waiter = psycopg.connect(autocommit=True)
    waiter.pgconn.send_query(b"select 1")
    # It fires when that has lasted.
    until(lambda: state() in ("pending", "firing"), f"PgweirPoolExhausted is {state()}")
    for holder in holders:
        holder.close()
    until(lambda: state() == "inactive", f"PgweirPoolExhausted is {state()} when the pool is free again")
    equal(waiter.pgconn.get_result().get_value(0, 0), b"1")
    waiter.close()


if __name__ == "__main__":
    with psycopg.connect(autocommit=True, prepare_threshold=None) as app:
        for _ in range(QUERIES):
            app.execute("select 1")
    with Prometheus() as server:
        for check in (scrapes, reads_values, evaluates_rules, raises_an_alert):
            check(server)
            print("PASS", check.__name__)
