"""Prometheus from Debian reads /metrics and evaluates the alert rules; the rules do what they say (promtool); the
dashboard asks only for metrics that there are; and Debian's exporter for PgBouncer reads the console."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import psycopg2

from checks import PATIENCE, equal, true

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.join(HERE, "..", "..", "admin", "deploy")
RULES = os.path.join(DEPLOY, "pgweir.rules.yml")
METRICS = f"127.0.0.1:{os.environ['PGWEIR_METRICS_PORT']}"


def read(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def eventually(ask, what):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            found = ask()
            if found:
                return found
        except OSError:
            pass
        true(time.monotonic() < end, f"never: {what}")
        time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rules():
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(HERE, "rules_test.yml")) as file:
            tests = file.read()
        with open(RULES) as file:
            alerts = re.findall(r"alert: (\w+)", file.read())
        for name in alerts:
            true(re.search(rf"alertname: {name}\n\s+eval_time: \d+m\n\s+exp_alerts:\n", tests), f"{name} never fires")
        path = os.path.join(directory, "test.yml")
        with open(path, "w") as file:
            file.write(tests.replace("[RULES]", json.dumps([RULES])))
        for command in (["check", "rules", RULES], ["test", "rules", path]):
            done = subprocess.run(["promtool", *command], capture_output=True, text=True)
            true(done.returncode == 0, f"promtool {command}: {done.stdout} {done.stderr}")


def dashboard():
    known = set(re.findall(r"^# TYPE (\S+)", read(f"http://{METRICS}/metrics"), re.M))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "count", "sum", "total")}
    # Those that are there only while there is something to say.
    known |= {"pgweir_alert_value"}
    for file_name in ("pgweir-dashboard.json", "pgweir.rules.yml"):
        with open(os.path.join(DEPLOY, file_name)) as file:
            asked = set(re.findall(r"\b((?:pgweir|pgbouncer)_[a-z_]+)\b", file.read()))
        true(asked, f"{file_name} asks for nothing")
        equal(sorted(asked - known), [])


def prometheus():
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w") as file:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [RULES],
                       "scrape_configs": [{"job_name": "pgweir", "static_configs": [{"targets": [METRICS]}]}]}, file)
        port = free_port()
        server = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
        try:
            api = f"http://127.0.0.1:{port}/api/v1"

            def value(query):
                result = json.loads(read(f"{api}/query?query={urllib.parse.quote(query)}"))["data"]["result"]
                return float(result[0]["value"][1]) if result else None

            eventually(lambda: value("up") == 1, "the target is up")
            with psycopg2.connect("") as conn, conn.cursor() as cursor:
                for _ in range(7):
                    cursor.execute("select 1")
            pool = 'database="app",user="app"'
            # BEGIN is answered by pgweir; those before are of the other checks.
            eventually(lambda: (value(f"pgweir_query_seconds_count{{{pool}}}") or 0) >= 7, "queries are counted")
            eventually(lambda: value(f"pgbouncer_databases_pool_size{{database=\"app\"}}")
                       == float(os.environ["PGWEIR_POOL_SIZE"]), "the size of the pool is known")
            true(value(f"histogram_quantile(0.5, pgweir_query_seconds_bucket{{{pool}}})") is not None, "no quantile")

            def evaluated():
                groups = json.loads(read(f"{api}/rules"))["data"]["groups"]
                found = [rule for group in groups for rule in group["rules"]]
                return found and all(rule["health"] == "ok" for rule in found)

            eventually(evaluated, "all rules are evaluated without an error")
        finally:
            server.terminate()
            server.wait(PATIENCE)


def exporter():
    """Its program stops at once, as with any PgBouncer since 1.8, whose SHOW STATS has no total_requests; and in 1.24
    SHOW DATABASES got reserve_pool_size for reserve_pool. What it reads besides it can read."""
    sys.path.append("/usr/lib/python3/dist-packages")
    from prometheus_pgbouncer_exporter import collectors, utils
    os.environ["PGPASSWORD"] = "dba"
    try:
        conn = utils.get_connection("dba", int(os.environ["PGPORT"]), "127.0.0.1")
    finally:
        os.environ["PGPASSWORD"] = "secret"

    def samples(collector):
        return {(s.name, s.labels.get("database")): s.value for m in collector.collect() for s in m.samples}

    lists = samples(collectors.ListsCollector(connection=conn))
    true(lists[("pgbouncer_databases", None)] >= 1, "databases")
    true(lists[("pgbouncer_used_clients", None)] >= 1, "used_clients")
    pools = samples(collectors.PoolsCollector(connection=conn, databases=["app"]))
    equal(sorted(pools), [("pgbouncer_active_clients", "app"), ("pgbouncer_waiting_clients", "app")])
    for collector, missing in ((collectors.StatsCollector, "total_requests"),
                               (collectors.DatabasesCollector, "reserve_pool")):
        try:
            samples(collector(connection=conn, databases=["app"]))
            raise AssertionError(f"{collector.__name__} works: its program may do so now")
        except KeyError as error:
            equal(error.args, (missing,))


failed = False
for check in (rules, dashboard, prometheus, exporter):
    try:
        check()
        print(f"PASS {check.__name__}")
    except Exception as error:
        print(f"FAIL {check.__name__}: {type(error).__name__}: {error}")
        failed = True
sys.exit(failed)
