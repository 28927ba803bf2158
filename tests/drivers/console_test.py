"""The console, read with the default settings of psycopg 3, psycopg2 and asyncpg, and by the queries and rules of
the tools that monitor PgBouncer. Needs pgweir: PostgreSQL has no console."""

import asyncio
import datetime
import decimal
import os
import re
import subprocess

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras

from checks import equal, true

SHOWS = ("STATS", "STATS_TOTALS", "STATS_AVERAGES", "TOTALS", "POOLS", "CLIENTS", "SERVERS", "SOCKETS", "DATABASES",
         "USERS", "PEERS", "PEER_POOLS", "LISTS", "CONFIG", "MEM", "STATE", "DNS_HOSTS", "DNS_ZONES", "VERSION",
         "HELP", "ERRORS", "ALERTS")
LOGIN = {"user": "dba", "password": "dba"}

# The columns of PgBouncer 1.25 in the order in which they are sent, with their types as psycopg2 names them
# (int: int4, num: numeric, str: text). pgmetrics, CloudNativePG, pgbouncer_fdw and Munin go by it.
_COUNTS = ("server_assignment_count", "xact_count", "query_count", "received", "sent", "xact_time", "query_time",
           "wait_time", "client_parse_count", "server_parse_count", "bind_count")
_CONNECTION = ("type:str user:str database:str replication:str state:str addr:str port:int local_addr:str "
               "local_port:int connect_time:str request_time:str wait:int wait_us:int close_needed:int ptr:str "
               "link:str remote_pid:int tls:str application_name:str prepared_statements:int id:int")
POSITIONS = {
    "STATS": " ".join(["database:str"] + [f"total_{name}:num" for name in _COUNTS] +
                      [f"avg_{name.replace('received', 'recv')}:num" for name in _COUNTS]),
    "POOLS": "database:str user:str cl_active:int cl_waiting:int cl_active_cancel_req:int cl_waiting_cancel_req:int "
             "sv_active:int sv_active_cancel:int sv_being_canceled:int sv_idle:int sv_used:int sv_tested:int "
             "sv_login:int maxwait:int maxwait_us:int pool_mode:str load_balance_hosts:str",
    "CLIENTS": _CONNECTION,
    "SERVERS": _CONNECTION,
    "SOCKETS": _CONNECTION + " recv_pos:int pkt_pos:int pkt_remain:int send_pos:int send_remain:int pkt_avail:int "
                             "send_avail:int",
    "DATABASES": "name:str host:str port:int database:str force_user:str pool_size:int min_pool_size:int "
                 "reserve_pool_size:int server_lifetime:int pool_mode:str load_balance_hosts:str max_connections:int "
                 "current_connections:int max_client_connections:int current_client_connections:int paused:int "
                 "disabled:int",
    "USERS": "name:str pool_size:str reserve_pool_size:str pool_mode:str max_user_connections:int "
             "current_connections:int max_user_client_connections:int current_client_connections:int",
    "LISTS": "list:str items:int",
    "CONFIG": "key:str value:str default:str changeable:str",
    "DNS_HOSTS": "hostname:str ttl:int8 addrs:str",
    "DNS_ZONES": "zonename:str serial:int8 count:int",
}
OIDS = {"int": 23, "int8": 20, "num": 1700, "str": 25}

# What tools read by name, and as whole numbers.
BY_NAME = {
    "jbub/pgbouncer_exporter": {
        "STATS": "total_xact_count total_query_count total_received total_sent total_xact_time total_query_time "
                 "total_wait_time avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time "
                 "avg_wait_time",
        "POOLS": "cl_active cl_waiting sv_active sv_idle sv_used sv_tested sv_login maxwait",
        "DATABASES": "port pool_size max_connections current_connections paused disabled"},
    "New Relic": {
        "STATS": "total_xact_count total_query_count total_server_assignment_count total_received total_sent "
                 "avg_xact_count avg_xact_time avg_query_count avg_recv avg_sent",
        "POOLS": "cl_active cl_waiting sv_active sv_idle sv_used sv_tested sv_login maxwait"},
    "pgSCV": {
        "STATS": "total_xact_count total_query_count total_received total_sent total_xact_time total_query_time "
                 "total_wait_time",
        "POOLS": "cl_active cl_waiting sv_active sv_idle sv_used sv_tested sv_login maxwait maxwait_us"},
    "pgwatch": {
        "STATS": "total_xact_count total_query_count total_received total_sent total_xact_time total_query_time "
                 "total_wait_time"},
    "pgcenter": {
        "POOLS": "cl_active cl_waiting sv_active sv_idle sv_used sv_tested sv_login maxwait",
        "DATABASES": "port pool_size max_connections current_connections",
        "STATS": "total_xact_count total_query_count total_received total_sent"},
    "Zabbix": {
        "POOLS": "cl_active cl_waiting sv_active sv_idle sv_used sv_tested sv_login maxwait",
        "STATS": "avg_query_count avg_query_time avg_recv avg_sent avg_wait_time",
        "LISTS": "items"},
}


def psycopg_3():
    with psycopg.connect(dbname="pgweir", **LOGIN) as conn:  # begins and commits by itself
        for name in SHOWS:
            rows = conn.execute(f"SHOW {name}").fetchall()
            with conn.cursor(binary=True) as binary:
                binary.execute(f"SHOW {name}")
                columns = len(binary.description)
                true(all(len(row) == columns for row in rows), name)
                binary.fetchall()
        equal(conn.execute("select 1").fetchone(), (1,))
        conn.execute("-- ping")  # pgx's
        true("PgBouncer" in conn.execute("select version()").fetchone()[0], "version()")
        row = conn.execute("SHOW STATS").fetchone()
        true(isinstance(row[1], decimal.Decimal), "numeric")
        for _ in range(10):  # prepared at the sixth
            equal(len(conn.execute("SHOW POOLS").fetchone()), 17)
        try:
            conn.execute("SELECT * FROM pg_class")
            raise AssertionError("the console ran SQL")
        except psycopg.errors.FeatureNotSupported:
            conn.rollback()
        with conn.transaction():
            conn.execute("SHOW VERSION")
    with psycopg.connect(dbname="pgbouncer", autocommit=True, **LOGIN) as conn:
        equal(conn.execute("PAUSE app").statusmessage, "PAUSE")
        equal(conn.execute("RESUME app").statusmessage, "RESUME")
        with conn.pipeline():
            cursors = [conn.execute("SHOW LISTS") for _ in range(5)]
        for cursor in cursors:
            equal(len(cursor.fetchall()), 14)


async def async_pg():
    async with asyncpg.create_pool(database="pgweir", min_size=2, max_size=2, **LOGIN) as pool:
        for name in SHOWS:
            await pool.fetch(f"SHOW {name}")  # and the pool resets the connection
        row = await pool.fetchrow("SHOW DATABASES")
        true(isinstance(row["pool_size"], int), "int4")
        row = await pool.fetchrow("SHOW STATS")
        true(isinstance(row["total_xact_count"], decimal.Decimal), "numeric")
        equal(await pool.fetchval("SELECT 1"), 1)
        async with pool.acquire() as conn:
            async with conn.transaction():
                equal(len(await conn.fetch("SHOW LISTS")), 14)
            statement = await conn.prepare("SHOW POOLS")
            equal(len(statement.get_attributes()), 17)
            equal(await conn.execute("RELOAD"), "RELOAD")


def readers():
    """What monitoring tools ask for, and how they read it."""
    conn = psycopg2.connect(dbname="pgbouncer", **LOGIN)
    conn.set_session(autocommit=True)
    with conn.cursor(cursor_factory=psycopg2.extras.DictCursor) as cursor:
        def show(name):
            cursor.execute(f"SHOW {name};")
            return [dict(row) for row in cursor.fetchall()]

        version = show("VERSION")[0]["version"]
        true(re.search(r"\d+\.\d+\.\d+", version), "Datadog's version")
        true(re.match(r"PgBouncer (\d+)\.(\d+)\.(\d+)", version), "Netdata's version")
        # pgbouncer_fdw takes major.minor from the second word.
        equal(version.split(" ")[1].split(".")[:2], ["1", "25"])

        # Datadog: dictionaries; times without fractions, the zone cut off.
        app = [row for row in show("STATS") if row["database"] == "app"][0]
        for name in ("xact_count", "query_count", "received", "sent", "query_time", "xact_time", "wait_time"):
            true(app[f"total_{name}"] == int(app[f"total_{name}"]), name)
        for row in show("CLIENTS"):
            datetime.datetime.strptime(row["connect_time"][:19], "%Y-%m-%d %H:%M:%S")
            true(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+", row["connect_time"]), "connect_time")

        # Telegraf: what is no known text must be a whole number.
        for name in ("STATS", "POOLS"):
            for row in show(name):
                for column, value in row.items():
                    if column not in ("database", "user", "pool_mode", "load_balance_hosts"):
                        int(value)

        # prometheus-community/pgbouncer_exporter.
        config = {row["key"]: row["value"] for row in show("CONFIG")}
        int(config["max_client_conn"])
        int(config["max_user_connections"])
        for row in show("DATABASES"):
            for name in ("port", "pool_size", "reserve_pool_size", "max_connections", "current_connections",
                         "paused", "disabled"):
                int(row[name])
        equal({len(row) for row in show("LISTS")}, {2})

        # pg_exporter makes a number of the version, and picks its queries by it: this is its set of 1.24.
        major, minor, patch = map(int, re.search(r"(\d+)\.(\d+)\.(\d+)", version).groups())
        true(major * 10000 + minor * 100 + patch >= 12400, "pg_exporter's version")

        for tool, commands in BY_NAME.items():
            for name, columns in commands.items():
                rows = show(name)
                true(rows, f"{tool}: SHOW {name}")
                for row in rows:
                    for column in columns.split():
                        true(str(row[column]).lstrip("-").isdigit(), f"{tool}: {name}.{column}: {row[column]}")
        # pgSCV, pgwatch and pgcenter count clients by what these say.
        for row in show("CLIENTS"):
            true(row["user"] and row["database"] and row["addr"], "CLIENTS")
            true(row["state"] in ("active", "idle", "waiting", "active_cancel_req", "waiting_cancel_req", "login"),
                 f"state {row['state']}")

        # check_postgres's checksum of the settings wants this one.
        true("log_pooler_errors" in config, "log_pooler_errors")
    conn.close()


def positions():
    """Tools that take columns by their number, in both protocols and in psql's output."""
    with psycopg.connect(dbname="pgbouncer", autocommit=True, **LOGIN) as conn:
        for name, columns in POSITIONS.items():
            wanted = [column.split(":") for column in columns.split()]
            for binary in (False, True):
                cursor = conn.execute(f"SHOW {name}", binary=binary)
                equal((name, [(it.name, it.type_code) for it in cursor.description]),
                      (name, [(column, OIDS[kind]) for column, kind in wanted]))
    # Munin and shell scripts: psql without a frame. Empty is what is NULL.
    environment = {**os.environ, "PGUSER": LOGIN["user"], "PGPASSWORD": LOGIN["password"], "PGDATABASE": "pgbouncer"}
    for name, columns in POSITIONS.items():
        kinds = [column.split(":")[1] for column in columns.split()]
        said = subprocess.run(["psql", "-XAtq", "-F", "|", "-c", f"SHOW {name}"], check=True, text=True, env=environment,
                              stdout=subprocess.PIPE).stdout
        lines = [line.split("|") for line in said.splitlines()]
        for fields in lines:
            equal((name, len(fields)), (name, len(kinds)))
            for field, kind in zip(fields, kinds):
                true(kind == "str" or field == "" or field.lstrip("-").isdigit(), f"{name}: {fields}")
        if name == "POOLS":
            equal([fields[15] for fields in lines if fields[0] == "app"], ["transaction"])


def psycopg_2():
    conn = psycopg2.connect(dbname="pgweir", **LOGIN)  # begins by itself
    with conn.cursor() as cursor:
        for name in SHOWS:
            cursor.execute(f"SHOW {name}")
            cursor.fetchall()
    conn.commit()
    conn.close()


if __name__ == "__main__":
    app = psycopg.connect(autocommit=True)  # so that there is a pool
    equal(app.execute("select 1").fetchone(), (1,))
    for check in (psycopg_3, psycopg_2, async_pg, readers, positions):
        asyncio.run(check()) if check is async_pg else check()
        print("PASS", check.__name__)
    app.close()
