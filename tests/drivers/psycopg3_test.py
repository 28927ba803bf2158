"""psycopg 3 with its defaults: statements are prepared at the sixth execution, transactions begin by themselves."""

import datetime
import decimal
import logging
import threading
import uuid

import psycopg
from psycopg.types.json import Jsonb

from checks import CLIENTS, PATIENCE, POOL_SIZE, ROUNDS, SCHEMA, THROUGH_PGWEIR, Threads, equal, expect_error
from checks import settings_of, true


def value(conn, sql, *parameters):
    return conn.execute(sql, parameters or None).fetchone()[0]


pids = set()


def connect_and_ask(client):
    conn = client.conn
    true(conn.info.server_version >= 150000, "server_version")
    equal(conn.info.parameter_status("client_encoding"), "UTF8")
    for _ in range(ROUNDS):
        tag = client.tag()
        equal(value(conn, f"select '{tag}'"), tag)
        pids.add(value(conn, "select pg_backend_pid()"))
        conn.commit()
    client.barrier.wait(PATIENCE)
    if THROUGH_PGWEIR:
        true(len(pids) <= POOL_SIZE, f"{len(pids)} servers were used")


def parameters(client):
    conn = client.conn
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        row = conn.execute("select %s::text, %s::bigint, %s::text is null", (tag, key, None)).fetchone()
        equal(row, (tag, key, True))
        conn.commit()


def equal_names_different_sql(client):
    """The driver of every client calls its statements _pg3_0, _pg3_1 and so on."""
    conn = client.conn
    for _ in range(ROUNDS):
        for which in range(3):
            tag = client.tag()
            sql = f"select %s::text || ' of {client.number} {which}'"
            equal(value(conn, sql, tag), f"{tag} of {client.number} {which}")
        conn.commit()


def autocommit(client):
    conn = client.conn
    conn.autocommit = True
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        conn.execute("insert into items values (%s, %s, %s)", (key, client.number, tag))
        equal(conn.execute("select owner, body from items where id = %s", (key,)).fetchone(), (client.number, tag))
    conn.autocommit = False


def transactions(client):
    conn = client.conn
    for turn in range(ROUNDS):
        key, lost = client.key(), client.key()
        with conn.transaction():
            conn.execute("insert into items values (%s, %s, %s)", (key, client.number, client.tag()))
        conn.execute("insert into items values (%s, %s, %s)", (lost, client.number, client.tag()))
        conn.rollback()
        with conn.transaction():
            conn.execute("update items set body = 'before' where id = %s", (key,))
            try:
                with conn.transaction():
                    conn.execute("update items set body = 'inside' where id = %s", (key,))
                    if turn % 2:
                        conn.execute("select 1/0")
                    raise KeyError
            except (KeyError, psycopg.errors.DivisionByZero):
                pass
            equal(value(conn, "select body from items where id = %s", key), "before")
        equal(value(conn, "select count(*) from items where id in (%s, %s)", key, lost), 1)
        conn.commit()


def errors(client):
    conn = client.conn
    key = client.key()
    conn.execute("insert into items values (%s, %s, 'first')", (key, client.number))
    conn.commit()
    for turn in range(ROUNDS):
        with expect_error("23505"):
            conn.execute("insert into items values (%s, %s, %s)", (key, client.number, client.tag()))
        with expect_error("25P02"):
            conn.execute("select 1")
        conn.rollback()
        with expect_error("42601"):
            conn.execute("selec %s", (turn,))
        conn.rollback()
        with expect_error("22012"):
            conn.execute("select %s::int / 0", (turn,))
        conn.rollback()
        with expect_error("42P01"):
            conn.execute("select * from nowhere where id = %s", (turn,))
        conn.rollback()
        tag = client.tag()
        equal(value(conn, "select %s::text", tag), tag)
        conn.commit()


def types(client):
    conn = client.conn
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.timezone.utc)
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        values = (
            [tag, None, "x,y"],
            [[1, 2], [3, key % 1000]],
            Jsonb({"tag": tag, "n": [1, None, 2.5]}),
            moment + datetime.timedelta(seconds=key),
            datetime.date(2024, 2, 29),
            decimal.Decimal("12345678901234567890.123456789"),
            uuid.UUID(int=key),
            bytes(range(256)),
            2.5,
            True,
            None,
        )
        row = conn.execute(
            "select %s::text[], %s::int[], %s::jsonb, %s::timestamptz, %s::date, %s::numeric, %s::uuid, %s::bytea,"
            " %s::float8, %s::bool, %s::text",
            values,
        ).fetchone()
        equal(row, (*values[:2], values[2].obj, *values[3:]))
        equal(conn.execute("select %b::int8, %b::text", (key, tag)).fetchone(), (key, tag))
        conn.commit()


def big_values(client):
    conn = client.conn
    for _ in range(3):
        text = client.tag() + "x" * 1_000_000
        equal(value(conn, "select %s::text || 'end'", text), text + "end")
        conn.commit()


def cursors(client):
    conn = client.conn
    for _ in range(3):
        tag = client.tag()
        with conn.transaction(), conn.cursor("walk") as cursor:
            cursor.itersize = 7
            cursor.execute("select %s || n from generate_series(1, 50) n", (tag,))
            equal(cursor.fetchone(), (f"{tag}1",))
            equal([row[0] for row in cursor], [f"{tag}{n}" for n in range(2, 51)])


def hold_cursors(client):
    """A cursor that outlives its transaction."""
    conn = client.conn
    tag = client.tag()
    with conn.cursor("kept", withhold=True) as cursor:
        cursor.execute("select %s || n from generate_series(1, 20) n", (tag,))
        conn.commit()
        equal([row[0] for row in cursor.fetchmany(5)], [f"{tag}{n}" for n in range(1, 6)])
        conn.commit()
        equal(len(cursor.fetchall()), 15)
    conn.commit()


def executemany(client):
    conn = client.conn
    for _ in range(3):
        keys = [client.key() for _ in range(20)]
        tags = [client.tag() for _ in keys]
        with conn.cursor() as cursor:
            cursor.executemany(
                "insert into items values (%s, %s, %s) returning body",
                [(k, client.number, t) for k, t in zip(keys, tags)],
                returning=True,
            )
            got = []
            while True:
                got.append(cursor.fetchone()[0])
                if not cursor.nextset():
                    break
            equal(got, tags)
        conn.commit()
        equal(value(conn, "select count(*) from items where id = any(%s)", keys), 20)
        conn.commit()


def pipelines(client):
    conn = client.conn
    for _ in range(3):
        with conn.pipeline() as pipeline:
            tags = [client.tag() for _ in range(25)]
            cursors_ = [conn.execute("select %s::text, %s::int", (tag, 7)) for tag in tags]
            pipeline.sync()
            equal([cursor.fetchone() for cursor in cursors_], [(tag, 7) for tag in tags])
            conn.commit()
        with expect_error("22012"):
            with conn.pipeline():
                conn.execute("select %s::text", (client.tag(),))
                conn.execute("select 1 / %s", (0,))
                conn.execute("select %s::text", (client.tag(),))
        conn.rollback()
        tag = client.tag()
        equal(value(conn, "select %s::text", tag), tag)
        conn.commit()


def copy(client):
    conn = client.conn
    rows = [(client.number, n, client.tag() if n % 3 else None) for n in range(200)]
    with conn.cursor() as cursor:
        with cursor.copy("copy copied from stdin") as stream:
            for row in rows:
                stream.write_row(row)
        conn.commit()
        with cursor.copy(f"copy (select * from copied where owner = {client.number} order by n) to stdout") as stream:
            stream.set_types(["int4", "int4", "text"])
            equal(list(stream.rows()), rows)
        conn.commit()
        with expect_error("22P02"):
            with cursor.copy("copy copied from stdin") as stream:
                stream.write("not a number\t1\tx\n")
        conn.rollback()
        with expect_error("57014"):
            with cursor.copy("copy copied from stdin") as stream:
                stream.write_row(rows[0])
                raise KeyError
        conn.rollback()
    equal(value(conn, "select count(*) from copied where owner = %s", client.number), len(rows))
    conn.commit()


def settings(client):
    conn = client.conn
    wanted = settings_of(client)
    before = {name: value(conn, f"show {name}") for name in wanted}
    for name in wanted:
        conn.execute(f"set {name} = {wanted[name]}" if name == "search_path" else f"set {name} = '{wanted[name]}'")
    conn.commit()
    client.barrier.wait(PATIENCE)
    for _ in range(ROUNDS):
        equal({name: value(conn, f"show {name}") for name in wanted}, wanted)
        conn.commit()
        equal(value(conn, "select owner from here where owner > %s", -1), client.number)
        conn.commit()
    equal(conn.info.parameter_status("application_name"), wanted["application_name"])
    client.barrier.wait(PATIENCE)
    for name in wanted:
        conn.execute(f"reset {name}")
    conn.commit()
    equal({name: value(conn, f"show {name}") for name in wanted}, before)
    conn.commit()


def settings_and_transactions(client):
    conn = client.conn
    conn.execute(f"set work_mem = '{2000 + client.number}kB'")
    conn.commit()
    for _ in range(ROUNDS):
        conn.execute("set work_mem = '77MB'")
        conn.rollback()
        conn.execute("set local work_mem = '88MB'")
        equal(value(conn, "show work_mem"), "88MB")
        conn.commit()
        with conn.transaction():
            conn.execute("savepoint a")
            conn.execute("set work_mem = '99MB'")
            conn.execute("rollback to a")
        equal(value(conn, "show work_mem"), f"{2000 + client.number}kB")
        conn.commit()
    conn.execute("select set_config('work_mem', %s, false)", (f"{3000 + client.number}kB",))
    conn.commit()
    client.barrier.wait(PATIENCE)
    equal(value(conn, "show work_mem"), f"{3000 + client.number}kB")
    conn.execute("reset all")
    conn.commit()


def startup_options(client):
    with psycopg.connect(options=f"-c work_mem={4000 + client.number}kB -c search_path=place{client.number}") as conn:
        client.barrier.wait(PATIENCE)
        for _ in range(3):
            equal(value(conn, "show work_mem"), f"{4000 + client.number}kB")
            equal(value(conn, "select owner from here"), client.number)
            conn.commit()


def temporary_tables(client):
    conn = client.conn
    tag = client.tag()
    conn.execute("create temp table mine (body text)")
    conn.commit()
    conn.execute("insert into mine values (%s)", (tag,))
    conn.commit()
    equal(conn.execute("select body from mine").fetchall(), [(tag,)])
    conn.execute("drop table mine")
    conn.commit()
    for _ in range(3):
        with conn.transaction():
            conn.execute("create temp table brief on commit drop as select %s::text as body", (tag,))
            equal(value(conn, "select body from brief"), tag)


def advisory_locks(client):
    conn = client.conn
    key = client.key()
    for _ in range(3):
        equal(value(conn, "select pg_advisory_lock(%s)::text", key), "")
        conn.commit()
        equal(value(conn, "select count(*) from pg_locks where locktype = 'advisory' and objid = %s", key), 1)
        conn.commit()
        equal(value(conn, "select pg_advisory_unlock(%s)", key), True)
        conn.commit()


def changed_table(client):
    conn = client.conn
    table = f"changing{client.number}"
    for turn in range(3):
        for _ in range(ROUNDS):
            tag = client.tag()
            conn.execute(f"insert into {table} (id, body) values (%s, %s)", (turn, tag))
            equal(value(conn, f"select body from {table} where id = %s order by body = %s desc", turn, tag), tag)
            conn.commit()
        conn.execute(f"alter table {table} add column extra{turn} int default {turn}")
        conn.commit()


def changed_result_type(client):
    """PostgreSQL itself refuses the prepared statement; pgweir prepares it again."""
    conn = client.conn
    conn.autocommit = True
    table = f"again{client.number}"
    conn.execute(f"create table {table} (id int)")
    conn.execute(f"insert into {table} values (%s)", (client.number,))
    for _ in range(ROUNDS):
        equal(conn.execute(f"select * from {table} where id >= %s", (0,)).fetchall(), [(client.number,)])
    conn.execute(f"alter table {table} add column body text default 'new'")
    wanted = [(client.number, "new")]
    if THROUGH_PGWEIR:
        equal(conn.execute(f"select * from {table} where id >= %s", (0,)).fetchall(), wanted)
    else:
        with expect_error("0A000"):
            conn.execute(f"select * from {table} where id >= %s", (0,))
    equal(conn.execute(f"select * from {table} where id >= %s", (0,), prepare=False).fetchall(), wanted)
    conn.execute(f"drop table {table}")
    conn.autocommit = False


def many_statements(client):
    """More than the driver keeps: it deallocates the oldest by name."""
    with psycopg.connect() as conn:
        conn.prepare_threshold = 0
        conn.prepared_max = 5
        for turn in range(3):
            for which in range(12):
                tag = client.tag()
                equal(value(conn, f"select %s::text || ' {client.number} {which}'", tag), f"{tag} {client.number} {which}")
                conn.commit()
        # The driver answers this with DEALLOCATE ALL.
        conn.execute("select %s::text", ("x",))
        conn.rollback()
        for which in range(12):
            tag = client.tag()
            equal(value(conn, f"select %s::text || ' {client.number} {which}'", tag), f"{tag} {client.number} {which}")
            conn.commit()


def sql_prepare(client):
    """PREPARE, EXECUTE and DEALLOCATE as SQL, with the same name in every client."""
    conn = client.conn
    conn.execute(f"prepare plan (text) as select $1 || ' by {client.number}'")
    conn.commit()
    for _ in range(ROUNDS):
        tag = client.tag()
        equal(value(conn, f"execute plan ('{tag}')"), f"{tag} by {client.number}")
        conn.commit()
    with expect_error("42P05"):
        conn.execute("prepare plan as select 1")
    conn.rollback()
    conn.execute("deallocate plan")
    conn.commit()
    with expect_error("26000"):
        conn.execute("execute plan ('x')")
    conn.rollback()


def discard_all(client):
    conn = client.conn
    conn.rollback()
    conn.autocommit = True
    conn.execute(f"set work_mem = '{5000 + client.number}kB'")
    for _ in range(ROUNDS):
        equal(value(conn, f"select %s::text || '{client.number}'", "x"), f"x{client.number}")
    conn.execute("discard all")
    equal(value(conn, "show work_mem"), "4MB")
    # The driver does not know that its statement is gone; PostgreSQL tells it.
    with expect_error("26000"):
        conn.execute(f"select %s::text || '{client.number}'", ("x",))
    for _ in range(ROUNDS):
        equal(value(conn, f"select %s::text || ' {client.number} again'", "x"), f"x {client.number} again")
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
                conn.execute("select pg_sleep(50)")
        finally:
            done.set()
            thread.join()
        conn.rollback()
        tag = client.tag()
        equal(value(conn, "select %s::text", tag), tag)
        conn.commit()


def statement_timeout(client):
    conn = client.conn
    with conn.transaction():
        conn.execute("set local statement_timeout = '20ms'")
        with expect_error("57014"):
            with conn.transaction():
                conn.execute("select pg_sleep(50)")
        tag = client.tag()
        equal(value(conn, "select %s::text", tag), tag)


def two_phase(client):
    conn = client.conn
    for _ in range(3):
        key, name = client.key(), client.tag()
        conn.tpc_begin(name)
        conn.execute("insert into items values (%s, %s, %s)", (key, client.number, name))
        conn.tpc_prepare()
        conn.tpc_commit()
        equal(value(conn, "select body from items where id = %s", key), name)
        conn.commit()


def reconnect(client):
    for _ in range(5):
        with psycopg.connect() as conn:
            tag = client.tag()
            equal(value(conn, "select %s::text", tag), tag)


def notify(client):
    conn = client.conn
    conn.autocommit = True
    got = []  # those that come while the driver waits for something else
    conn.add_notify_handler(got.append)
    conn.execute(f"listen own{client.number}")
    conn.execute("listen everybody")
    client.barrier.wait(PATIENCE)
    conn.execute("select pg_notify(%s, %s)", (f"own{client.number}", f"for {client.number}"))
    conn.execute("select pg_notify('everybody', %s)", (str(client.number),))
    missing = {("everybody", str(n)) for n in range(CLIENTS)} | {(f"own{client.number}", f"for {client.number}")}
    for notification in got:
        missing.remove((notification.channel, notification.payload))
    if missing:
        for notification in conn.notifies():
            missing.remove((notification.channel, notification.payload))
            if not missing:
                break
    client.barrier.wait(PATIENCE)
    conn.execute("unlisten *")
    conn.autocommit = False


def main():
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # it warns of the errors that a pipeline is to have
    with psycopg.connect(autocommit=True) as conn:
        for sql in SCHEMA:
            conn.execute(sql)
    threads = Threads("psycopg3", lambda client: psycopg.connect(), lambda conn: conn.close())
    for check in (
        connect_and_ask, parameters, equal_names_different_sql, autocommit, transactions, errors, types, big_values,
        cursors, hold_cursors, executemany, pipelines, copy, settings, settings_and_transactions, startup_options,
        temporary_tables, advisory_locks, changed_table, changed_result_type, many_statements, sql_prepare,
        discard_all, cancel, statement_timeout, two_phase, reconnect, notify,
    ):
        threads.check(check)
    threads.end()


main()
