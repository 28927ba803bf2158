"""psycopg2 with its defaults: the simple protocol, values put into the SQL by the driver, transactions that begin by
themselves."""

import datetime
import decimal
import io
import select
import threading

import psycopg2
import psycopg2.extras
import psycopg2.pool

from checks import CLIENTS, PATIENCE, POOL_SIZE, ROUNDS, SCHEMA, THROUGH_PGWEIR, Threads, equal, expect_error
from checks import settings_of, true


def connect(*arguments, **named):
    return psycopg2.connect(*arguments or [""], **named)


def rows(conn, sql, *parameters):
    with conn.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else None


def value(conn, sql, *parameters):
    return rows(conn, sql, *parameters)[0][0]


pids = set()


def connect_and_ask(client):
    conn = client.conn
    equal(conn.get_parameter_status("client_encoding"), "UTF8")
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        equal(rows(conn, "select %s, %s, %s is null", tag, key, None), [(tag, key, True)])
        pids.add(value(conn, "select pg_backend_pid()"))
        conn.commit()
    client.barrier.wait(PATIENCE)
    if THROUGH_PGWEIR:
        true(len(pids) <= POOL_SIZE, f"{len(pids)} servers were used")


def several_statements(client):
    conn = client.conn
    for _ in range(ROUNDS):
        tag = client.tag()
        equal(value(conn, "select 1; select 2; select %s", tag), tag)
        conn.commit()
        with expect_error("22012"):
            rows(conn, "select 1; select 1/0; select 2")
        conn.rollback()


def autocommit(client):
    conn = client.conn
    conn.autocommit = True
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        rows(conn, "insert into items values (%s, %s, %s)", key, client.number, tag)
        equal(rows(conn, "select owner, body from items where id = %s", key), [(client.number, tag)])
        with expect_error("23505"):
            rows(conn, "insert into items values (%s, %s, %s)", key, client.number, tag)
    conn.autocommit = False


def transactions(client):
    conn = client.conn
    for _ in range(ROUNDS):
        key, lost, tag = client.key(), client.key(), client.tag()
        with conn:
            rows(conn, "insert into items values (%s, %s, %s)", key, client.number, tag)
        rows(conn, "insert into items values (%s, %s, %s)", lost, client.number, tag)
        conn.rollback()
        rows(conn, "savepoint a")
        rows(conn, "update items set body = 'inside' where id = %s", key)
        with expect_error("22012"):
            rows(conn, "select 1/0")
        with expect_error("25P02"):
            rows(conn, "select 1")
        rows(conn, "rollback to a")
        equal(rows(conn, "select id, body from items where id in (%s, %s)", key, lost), [(key, tag)])
        conn.commit()


def isolation_levels(client):
    """set_session is kept by the driver and sent with each BEGIN, or as SET with autocommit."""
    conn = client.conn
    level = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")[client.number % 3]
    conn.set_session(isolation_level=level, readonly=client.number % 2 == 1)
    for _ in range(ROUNDS):
        equal(value(conn, "show transaction_isolation"), level.lower())
        equal(value(conn, "show transaction_read_only"), ("off", "on")[client.number % 2])
        conn.commit()
    conn.set_session(isolation_level=level, autocommit=True)
    client.barrier.wait(PATIENCE)
    equal(value(conn, "show default_transaction_isolation"), level.lower())
    client.barrier.wait(PATIENCE)
    conn.set_session(isolation_level="DEFAULT", readonly="DEFAULT", autocommit=False)


def errors(client):
    conn = client.conn
    for _ in range(ROUNDS):
        for state, sql in (("42601", "selec 1"), ("22012", "select 1/0"), ("42P01", "select * from nowhere")):
            with expect_error(state):
                rows(conn, sql)
            conn.rollback()
        tag = client.tag()
        equal(value(conn, "select %s", tag), tag)
        conn.commit()


def types(client):
    conn = client.conn
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        values = (
            [tag, None, "x,y"],
            [[1, 2], [3, key % 1000]],
            datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.timezone.utc),
            datetime.date(2024, 2, 29),
            decimal.Decimal("12345678901234567890.123456789"),
            2.5,
            True,
            None,
        )
        equal(rows(conn, "select " + ", ".join(["%s"] * len(values)), *values), [values])
        equal(value(conn, "select %s::jsonb", psycopg2.extras.Json({"tag": tag})), {"tag": tag})
        equal(bytes(value(conn, "select %s", psycopg2.Binary(bytes(range(256))))), bytes(range(256)))
        conn.commit()


def big_values(client):
    conn = client.conn
    for _ in range(3):
        text = client.tag() + "x" * 1_000_000
        equal(value(conn, "select %s || 'end'", text), text + "end")
        conn.commit()


def cursors(client):
    conn = client.conn
    for _ in range(3):
        tag = client.tag()
        with conn.cursor("walk") as cursor:
            cursor.itersize = 7
            cursor.execute("select %s || n from generate_series(1, 50) n", (tag,))
            equal([row[0] for row in cursor], [f"{tag}{n}" for n in range(1, 51)])
        conn.commit()


def hold_cursors(client):
    conn = client.conn
    tag = client.tag()
    cursor = conn.cursor("kept", withhold=True)
    cursor.execute("select %s || n from generate_series(1, 20) n", (tag,))
    conn.commit()
    equal([row[0] for row in cursor.fetchmany(5)], [f"{tag}{n}" for n in range(1, 6)])
    conn.commit()
    equal(len(cursor.fetchall()), 15)
    cursor.close()
    conn.commit()


def batches(client):
    conn = client.conn
    for _ in range(3):
        keys = [client.key() for _ in range(30)]
        values = [(key, client.number, client.tag()) for key in keys]
        with conn.cursor() as cursor:
            cursor.executemany("insert into items values (%s, %s, %s)", values[:10])
            psycopg2.extras.execute_batch(cursor, "insert into items values (%s, %s, %s)", values[10:20])
            psycopg2.extras.execute_values(cursor, "insert into items values %s", values[20:])
        conn.commit()
        equal(rows(conn, "select * from items where id = any(%s) order by id", keys), values)
        conn.commit()


def copy(client):
    conn = client.conn
    wanted = "".join(f"{client.number}\t{n}\t{client.tag()}\n" for n in range(200))
    with conn.cursor() as cursor:
        cursor.copy_expert("copy copied from stdin", io.StringIO(wanted))
        conn.commit()
        got = io.StringIO()
        cursor.copy_expert(f"copy (select * from copied where owner = {client.number} order by n) to stdout", got)
        equal(got.getvalue(), wanted)
        conn.commit()
        with expect_error("22P02"):
            cursor.copy_expert("copy copied from stdin", io.StringIO("not a number\t1\tx\n"))
        conn.rollback()
    equal(value(conn, "select count(*) from copied where owner = %s", client.number), 200)
    conn.commit()


def settings(client):
    conn = client.conn
    wanted = settings_of(client)
    before = {name: value(conn, f"show {name}") for name in wanted}
    for name in wanted:
        rows(conn, f"set {name} = {wanted[name]}" if name == "search_path" else f"set {name} = '{wanted[name]}'")
    conn.commit()
    client.barrier.wait(PATIENCE)
    for _ in range(ROUNDS):
        equal({name: value(conn, f"show {name}") for name in wanted}, wanted)
        conn.commit()
        equal(value(conn, "select owner from here"), client.number)
        conn.commit()
    client.barrier.wait(PATIENCE)
    for name in wanted:
        rows(conn, f"reset {name}")
    conn.commit()
    equal({name: value(conn, f"show {name}") for name in wanted}, before)
    conn.commit()


def client_encoding(client):
    """A reported parameter which the driver itself goes by."""
    conn = client.conn
    encoding = ("UTF8", "LATIN1", "LATIN9")[client.number % 3]
    conn.set_client_encoding(encoding)
    client.barrier.wait(PATIENCE)
    for _ in range(ROUNDS):
        tag = client.tag() + "é"
        equal(value(conn, "select %s", tag), tag)
        equal(value(conn, "select length(%s)", tag), len(tag))
        conn.commit()
    client.barrier.wait(PATIENCE)
    conn.set_client_encoding("UTF8")


def temporary_tables(client):
    conn = client.conn
    tag = client.tag()
    rows(conn, "create temp table mine (body text)")
    conn.commit()
    rows(conn, "insert into mine values (%s)", tag)
    conn.commit()
    equal(rows(conn, "select body from mine"), [(tag,)])
    rows(conn, "drop table mine")
    conn.commit()


def sql_prepare(client):
    conn = client.conn
    rows(conn, f"prepare plan (text) as select $1 || ' by {client.number}'")
    conn.commit()
    for _ in range(ROUNDS):
        tag = client.tag()
        equal(value(conn, "execute plan (%s)", tag), f"{tag} by {client.number}")
        conn.commit()
    rows(conn, "deallocate plan")
    conn.commit()
    with expect_error("26000"):
        rows(conn, "execute plan ('x')")
    conn.rollback()


def pool_of_the_driver(client):
    """Its pool rolls back what was left open, and resets nothing else."""
    pool = psycopg2.pool.ThreadedConnectionPool(1, 2)
    try:
        for _ in range(ROUNDS):
            conn = pool.getconn()
            tag, key = client.tag(), client.key()
            rows(conn, "insert into items values (%s, %s, %s)", key, client.number, tag)
            pool.putconn(conn)
            conn = pool.getconn()
            equal(value(conn, "select count(*) from items where id = %s", key), 0)
            pool.putconn(conn)
    finally:
        pool.closeall()


def reset(client):
    """What the driver's reset() sends: ABORT; RESET ALL; SET SESSION AUTHORIZATION DEFAULT."""
    conn = client.conn
    rows(conn, f"set work_mem = '{5000 + client.number}kB'")
    conn.commit()
    conn.reset()
    equal(value(conn, "show work_mem"), "4MB")
    conn.commit()
    conn.autocommit = True
    rows(conn, f"set work_mem = '{5000 + client.number}kB'")
    rows(conn, "discard all")
    equal(value(conn, "show work_mem"), "4MB")
    conn.autocommit = False


def cancel(client):
    conn = client.conn
    done = threading.Event()

    def canceller():
        while not done.wait(0.02):
            conn.cancel()

    for _ in range(2):
        done.clear()
        thread = threading.Thread(target=canceller)
        thread.start()
        try:
            with expect_error("57014"):
                rows(conn, "select pg_sleep(50)")
        finally:
            done.set()
            thread.join()
        conn.rollback()
        tag = client.tag()
        equal(value(conn, "select %s", tag), tag)
        conn.commit()


def notices(client):
    conn = client.conn
    for _ in range(ROUNDS):
        tag = client.tag()
        rows(conn, f"do $$ begin raise notice '{tag}'; end $$")
        conn.commit()
        equal(conn.notices, [f"NOTICE:  {tag}\n"])
        conn.notices.clear()


def notify(client):
    conn = client.conn
    conn.autocommit = True
    rows(conn, f"listen own{client.number}")
    rows(conn, "listen everybody")
    client.barrier.wait(PATIENCE)
    rows(conn, "select pg_notify(%s, %s)", f"own{client.number}", f"for {client.number}")
    rows(conn, "select pg_notify('everybody', %s)", str(client.number))
    missing = {("everybody", str(n)) for n in range(CLIENTS)} | {(f"own{client.number}", f"for {client.number}")}
    while True:
        for notification in conn.notifies:
            missing.remove((notification.channel, notification.payload))
        conn.notifies.clear()
        if not missing:
            break
        select.select([conn], [], [])
        conn.poll()
    client.barrier.wait(PATIENCE)
    rows(conn, "unlisten *")
    conn.autocommit = False


def main():
    conn = connect()
    conn.autocommit = True
    for sql in SCHEMA:
        rows(conn, sql)
    conn.close()
    threads = Threads("psycopg2", lambda client: connect(), lambda conn: conn.close())
    for check in (
        connect_and_ask, several_statements, autocommit, transactions, isolation_levels, errors, types, big_values,
        cursors, hold_cursors, batches, copy, settings, client_encoding, temporary_tables, sql_prepare,
        pool_of_the_driver, reset, cancel, notices, notify,
    ):
        threads.check(check)
    threads.end()


main()
