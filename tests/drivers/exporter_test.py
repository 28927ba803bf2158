"""Debian's prometheus-pgbouncer-exporter reads the console. Version 1.7 asks for two columns that PgBouncer has
renamed, in 1.8 and in 1.24, so it fails with Debian's own PgBouncer as well as with pgweir. It is told the new
names here; all else, connection, queries and parsing, is its own."""

import os
import re
import threading
import urllib.request

import psycopg
import psycopg2
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import MetricsHandler
from http.server import HTTPServer
from prometheus_pgbouncer_exporter import collectors, utils

from checks import POOL_SIZE, equal, true

QUERIES = 50
RENAMED = ((collectors.StatsCollector, "total_requests", "total_query_count"),
           (collectors.DatabasesCollector, "reserve_pool", "reserve_pool_size"))


def refuses_old_names(connection):
    """What it does not find are these columns alone."""
    for collector, old, _ in RENAMED:
        try:
            list(collector(connection=connection, databases=None).collect())
            raise AssertionError(f"{old} is there: this test can use the exporter as it is")
        except KeyError as error:
            equal(error.args, (old,))


def scraped(connection):
    registry = CollectorRegistry(auto_describe=True)
    for name in ("Stats", "Pools", "Databases"):
        registry.register(getattr(collectors, name + "Collector")(connection=connection, databases=None))
    registry.register(collectors.ListsCollector(connection=connection))
    server = HTTPServer(("127.0.0.1", 0), MetricsHandler.factory(registry))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as reply:
        text = reply.read().decode()
    server.shutdown()
    return {name: float(value) for name, value in re.findall(r"^([^#].*) (\S+)$", text, re.M)}


def reads_values(connection):
    for collector, old, new in RENAMED:
        collector.metrics = {new if key == old else key: names for key, names in collector.metrics.items()}
    app = psycopg.connect(autocommit=True, prepare_threshold=None)
    for _ in range(QUERIES):
        app.execute("select 1")
    values = scraped(connection)
    equal(values['pgbouncer_requests_total{database="app"}'], QUERIES)
    for name in ("received_bytes_total", "sent_bytes_total", "query_microseconds_total"):
        true(values[f'pgbouncer_{name}{{database="app"}}'] > QUERIES, name)
    equal(values['pgbouncer_active_clients{database="app",user="app"}'], 1)
    equal(values['pgbouncer_waiting_clients{database="app",user="app"}'], 0)
    equal(values['pgbouncer_pool_size{database="app"}'], POOL_SIZE)
    equal(values['pgbouncer_reserve_pool{database="app"}'], 0)
    # The pools of the application and of the console; the clients of both.
    equal(values["pgbouncer_pools"], 2)
    equal(values["pgbouncer_used_clients"], 2)
    equal(values["pgbouncer_login_clients"], 0)
    true(values["pgbouncer_used_servers"] + values["pgbouncer_free_servers"] >= 1, "servers")
    # A second reading, since counters are counters.
    app.execute("select 1")
    equal(scraped(connection)['pgbouncer_requests_total{database="app"}'], QUERIES + 1)
    app.close()


if __name__ == "__main__":
    os.environ["PGPASSWORD"] = "dba"
    reader = utils.get_connection("dba", os.environ["PGPORT"], os.environ["PGHOST"])
    os.environ["PGPASSWORD"] = "secret"
    true(isinstance(reader, psycopg2.extensions.connection), "its own connection")
    for check in (refuses_old_names, reads_values):
        check(reader)
        print("PASS", check.__name__)
    reader.close()
