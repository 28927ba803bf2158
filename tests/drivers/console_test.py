"""The console, read with the default settings of psycopg 3, psycopg2 and asyncpg, and by the queries and rules of
the tools that monitor PgBouncer. Needs pgweir: PostgreSQL has no console."""

import asyncio
import datetime
import decimal
import re

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras

from checks import equal, true

SHOWS = ("STATS", "STATS_TOTALS", "STATS_AVERAGES", "TOTALS", "POOLS", "CLIENTS", "SERVERS", "SOCKETS", "DATABASES",
         "USERS", "PEERS", "PEER_POOLS", "LISTS", "CONFIG", "MEM", "STATE", "DNS_HOSTS", "DNS_ZONES", "VERSION",
         "HELP", "ERRORS", "ALERTS")
LOGIN = {"user": "dba", "password": "dba"}


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

        # pgmetrics and CloudNativePG count columns.
        for name, columns in (("POOLS", 17), ("CLIENTS", 21), ("SERVERS", 21), ("STATS", 23), ("DATABASES", 17)):
            cursor.execute(f"SHOW {name}")
            equal((name, len(cursor.description)), (name, columns))

        # check_postgres's checksum of the settings wants this one.
        true("log_pooler_errors" in config, "log_pooler_errors")
    conn.close()


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
    for check in (psycopg_3, psycopg_2, async_pg, readers):
        asyncio.run(check()) if check is async_pg else check()
        print("PASS", check.__name__)
    app.close()
