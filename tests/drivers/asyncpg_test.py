"""asyncpg with its defaults: every statement is prepared and kept, results are binary, its pool resets connections."""

import asyncio
import datetime
import decimal
import io
import json
import uuid

import asyncpg

from checks import CLIENTS, POOL_SIZE, ROUNDS, SCHEMA, THROUGH_PGWEIR, Tasks, equal, expect_error, settings_of, true


class Connection(asyncpg.Connection):
    """Names of statements are counted for the process; this gives equal names to all clients, as processes have."""

    ids = 0

    def _get_unique_id(self, prefix):
        self.ids += 1
        return f"__asyncpg_{prefix}_{self.ids:x}__"


def connect(**named):
    return asyncpg.connect(connection_class=Connection, **named)


pids = set()


async def connect_and_ask(client):
    conn = client.conn
    true(conn.get_server_version().major >= 15, "server_version")
    equal(conn.get_settings().client_encoding, "UTF8")
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        equal(await conn.execute(f"select '{tag}'"), "SELECT 1")
        equal(tuple(await conn.fetchrow("select $1::text, $2::bigint, $3::text", tag, key, None)), (tag, key, None))
        pids.add(await conn.fetchval("select pg_backend_pid()"))
    await client.barrier.wait()
    if THROUGH_PGWEIR:
        true(len(pids) <= POOL_SIZE, f"{len(pids)} servers were used")


async def equal_names_different_sql(client):
    conn = client.conn
    for _ in range(ROUNDS):
        for which in range(3):
            tag = client.tag()
            sql = f"select $1::text || ' of {client.number} {which}'"
            equal(await conn.fetchval(sql, tag), f"{tag} of {client.number} {which}")


async def prepared_by_hand(client):
    conn = client.conn
    statement = await conn.prepare(f"select $1::text || '{client.number}' as answer, $2::int")
    equal([attribute.name for attribute in statement.get_attributes()], ["answer", "int4"])
    await client.barrier.wait()
    for n in range(ROUNDS):
        tag = client.tag()
        equal(tuple(await statement.fetchrow(tag, n)), (f"{tag}{client.number}", n))


async def transactions(client):
    conn = client.conn
    for turn in range(ROUNDS):
        key, lost = client.key(), client.key()
        async with conn.transaction():
            await conn.execute("insert into items values ($1, $2, $3)", key, client.number, client.tag())
        try:
            async with conn.transaction(isolation="serializable"):
                await conn.execute("insert into items values ($1, $2, $3)", lost, client.number, client.tag())
                raise KeyError
        except KeyError:
            pass
        async with conn.transaction():
            await conn.execute("update items set body = 'before' where id = $1", key)
            try:
                async with conn.transaction():
                    await conn.execute("update items set body = 'inside' where id = $1", key)
                    if turn % 2:
                        await conn.fetchval("select 1 / $1::int", 0)
                    raise KeyError
            except (KeyError, asyncpg.DivisionByZeroError):
                pass
            equal(await conn.fetchval("select body from items where id = $1", key), "before")
        equal(await conn.fetchval("select count(*) from items where id in ($1, $2)", key, lost), 1)


async def errors(client):
    conn = client.conn
    key = client.key()
    await conn.execute("insert into items values ($1, $2, 'first')", key, client.number)
    for turn in range(ROUNDS):
        with expect_error("23505"):
            await conn.execute("insert into items values ($1, $2, $3)", key, client.number, client.tag())
        with expect_error("42601"):
            await conn.fetchval("selec $1", turn)
        with expect_error("22012"):
            await conn.fetchval("select $1::int / 0", turn)
        with expect_error("42P01"):
            await conn.fetchval("select * from nowhere where id = $1", turn)
        with expect_error("42601"):
            await conn.execute("selec 1")
        transaction = conn.transaction()
        await transaction.start()
        with expect_error("22012"):
            await conn.fetchval("select $1::int / 0", turn)
        with expect_error("25P02"):
            await conn.fetchval("select $1::int", turn)
        await transaction.rollback()
        tag = client.tag()
        equal(await conn.fetchval("select $1::text", tag), tag)


async def types(client):
    conn = client.conn
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.timezone.utc)
    for _ in range(ROUNDS):
        tag, key = client.tag(), client.key()
        values = (
            [tag, None, "x,y"],
            [[1, 2], [3, key % 1000]],
            json.dumps({"tag": tag}),
            moment + datetime.timedelta(seconds=key),
            datetime.date(2024, 2, 29),
            decimal.Decimal("12345678901234567890.123456789"),
            uuid.UUID(int=key),
            bytes(range(256)),
            2.5,
            True,
            None,
        )
        row = await conn.fetchrow(
            "select $1::text[], $2::int[], $3::jsonb, $4::timestamptz, $5::date, $6::numeric, $7::uuid, $8::bytea,"
            " $9::float8, $10::bool, $11::text",
            *values,
        )
        equal(tuple(row), values)


async def own_types(client):
    """The driver looks up a type that it does not know, with a statement of its own, which keeps PostgreSQL busy:
    some of the clients are enough."""
    if client.number % 5:
        return
    conn = client.conn
    kind = f"kind{client.number}"
    await conn.execute(f"create type {kind} as enum ('one', 'two'); create type pair{client.number} as (a {kind}, b text)")
    for _ in range(3):
        tag = client.tag()
        row = await conn.fetchval(f"select ($1::{kind}, $2::text)::pair{client.number}", "two", tag)
        equal(tuple(row), ("two", tag))
        equal(await conn.fetchval(f"select $1::{kind}[]", ["one", "two"]), ["one", "two"])
    await conn.execute(f"drop type pair{client.number}; drop type {kind}")
    await conn.reload_schema_state()


async def big_values(client):
    conn = client.conn
    for _ in range(3):
        text = client.tag() + "x" * 1_000_000
        equal(await conn.fetchval("select $1::text || 'end'", text), text + "end")


async def cursors(client):
    conn = client.conn
    for _ in range(3):
        tag = client.tag()
        async with conn.transaction():
            got = [
                row[0] async for row in conn.cursor("select $1 || n::text from generate_series(1, 50) n", tag, prefetch=7)
            ]
            equal(got, [f"{tag}{n}" for n in range(1, 51)])
            cursor = await conn.cursor("select $1 || n::text from generate_series(1, 50) n", tag)
            await cursor.forward(10)
            equal([row[0] for row in await cursor.fetch(2)], [f"{tag}11", f"{tag}12"])


async def executemany(client):
    conn = client.conn
    for _ in range(3):
        values = [(client.key(), client.number, client.tag()) for _ in range(50)]
        await conn.executemany("insert into items values ($1, $2, $3)", values)
        got = await conn.fetch(
            "select * from items where id between $1 and $2 order by id", values[0][0], values[-1][0]
        )
        equal([tuple(row) for row in got], values)
        extra = (client.key(), client.number, client.tag())
        with expect_error("23505"):
            await conn.executemany("insert into items values ($1, $2, $3)", [extra, *values])
        equal(await conn.fetchval("select count(*) from items where id = $1", extra[0]), 0)


async def copy(client):
    conn = client.conn
    records = [(client.number, n, client.tag() if n % 3 else None) for n in range(200)]
    equal(await conn.copy_records_to_table("copied", records=records), "COPY 200")
    got = await conn.fetch("select * from copied where owner = $1 order by n", client.number)
    equal([tuple(row) for row in got], records)
    out = io.BytesIO()
    await conn.copy_from_query("select * from copied where owner = $1 order by n", client.number, output=out)
    equal(out.getvalue().decode(), "".join(f"{o}\t{n}\t{body or chr(92) + 'N'}\n" for o, n, body in records))
    with expect_error("22P02"):
        await conn.copy_to_table("copied", source=io.BytesIO(b"not a number\t1\tx\n"))
    equal(await conn.fetchval("select count(*) from copied where owner = $1", client.number), 200)


async def settings(client):
    conn = client.conn
    wanted = settings_of(client)
    before = {name: await conn.fetchval(f"show {name}") for name in wanted}
    for name in wanted:
        await conn.execute(
            f"set {name} = {wanted[name]}" if name == "search_path" else f"set {name} = '{wanted[name]}'"
        )
    await client.barrier.wait()
    for _ in range(ROUNDS):
        equal({name: await conn.fetchval(f"show {name}") for name in wanted}, wanted)
        equal(await conn.fetchval("select owner from here where owner > $1", -1), client.number)
    equal(conn.get_settings().application_name, wanted["application_name"])
    client.settings_before = before


async def settings_reset(client):
    if not hasattr(client, "settings_before"):
        raise AssertionError("the check `settings` has to run before, and to pass")
    await client.conn.reset()
    before = client.settings_before
    equal({name: await client.conn.fetchval(f"show {name}") for name in before}, before)


async def startup_settings(client):
    """server_settings go into the startup message."""
    conn = await connect(
        server_settings={
            "work_mem": f"{4000 + client.number}kB",
            "search_path": f"place{client.number}",
            "application_name": f"started by {client.number}",
        }
    )
    for _ in range(ROUNDS):
        equal(await conn.fetchval("show work_mem"), f"{4000 + client.number}kB")
        equal(await conn.fetchval("show application_name"), f"started by {client.number}")
        equal(await conn.fetchval("select owner from here"), client.number)
    await conn.close()


async def temporary_tables(client):
    conn = client.conn
    tag = client.tag()
    await conn.execute("create temp table mine (body text)")
    await conn.execute("insert into mine values ($1)", tag)
    equal(await conn.fetchval("select body from mine"), tag)
    await conn.execute("drop table mine")


async def advisory_locks(client):
    conn = client.conn
    key = client.key()
    for _ in range(3):
        await conn.execute("select pg_advisory_lock($1)", key)
        equal(await conn.fetchval("select count(*) from pg_locks where locktype = 'advisory' and objid = $1", key), 1)
        equal(await conn.fetchval("select pg_advisory_unlock($1)", key), True)


async def changed_table(client):
    """The result of a kept statement changes its type; outside a transaction the driver heals that itself."""
    conn = client.conn
    table = f"changing{client.number}"
    wanted = [client.number, "x"]
    await conn.execute(f"insert into {table} values ($1, $2)", *wanted)
    for turn in range(4):
        for _ in range(ROUNDS):
            equal(list(await conn.fetchrow(f"select * from {table} where id = $1", client.number)), wanted)
        await conn.execute(f"alter table {table} add column extra{turn} int default {turn}")
        wanted.append(turn)


async def many_statements(client):
    """More than the driver keeps: it closes the oldest."""
    conn = await connect(statement_cache_size=5)
    for _ in range(3):
        for which in range(12):
            tag = client.tag()
            equal(await conn.fetchval(f"select $1::text || ' {client.number} {which}'", tag), f"{tag} {client.number} {which}")
    await conn.close()


async def pool_of_the_driver(client):
    """It resets a connection that is given back, with one query of several statements."""
    async with asyncpg.create_pool(min_size=1, max_size=3, connection_class=Connection) as pool:

        async def use(number):
            for _ in range(3):
                async with pool.acquire() as conn:
                    tag = client.tag()
                    equal(await conn.fetchval("show work_mem"), "4MB")
                    await conn.execute(f"set work_mem = '{6000 + number}kB'")
                    equal(await conn.fetchval("select $1::text", tag), tag)
                    equal(await conn.fetchval("show work_mem"), f"{6000 + number}kB")

        await asyncio.gather(*(use(n) for n in range(5)))


async def cancel(client):
    """A timeout of the driver becomes a CancelRequest."""
    conn = client.conn
    for _ in range(2):
        try:
            await conn.fetchval("select pg_sleep(50)", timeout=0.1)
            raise AssertionError("pg_sleep was not cancelled")
        except asyncio.TimeoutError:
            pass
        tag = client.tag()
        equal(await conn.fetchval("select $1::text", tag), tag)


async def statement_timeout(client):
    conn = client.conn
    async with conn.transaction():
        await conn.execute("set local statement_timeout = '20ms'")
        with expect_error("57014"):
            async with conn.transaction():
                await conn.fetchval("select pg_sleep($1)", 50)
        tag = client.tag()
        equal(await conn.fetchval("select $1::text", tag), tag)


async def notify(client):
    conn = client.conn
    missing = {("everybody", str(n)) for n in range(CLIENTS)} | {(f"own{client.number}", f"for {client.number}")}
    surprises = []
    complete = asyncio.Event()

    def on_notification(_, pid, channel, payload):
        if (channel, payload) in missing:
            missing.remove((channel, payload))
        else:
            surprises.append((channel, payload))
        if not missing:
            complete.set()

    await conn.add_listener(f"own{client.number}", on_notification)
    await conn.add_listener("everybody", on_notification)
    await client.barrier.wait()
    await conn.execute("select pg_notify($1, $2)", f"own{client.number}", f"for {client.number}")
    await conn.execute("select pg_notify('everybody', $1)", str(client.number))
    await complete.wait()
    equal(surprises, [])
    await conn.remove_listener("everybody", on_notification)
    await conn.remove_listener(f"own{client.number}", on_notification)


async def main():
    conn = await connect()
    for sql in SCHEMA:
        await conn.execute(sql)
    await conn.close()
    tasks = Tasks("asyncpg", lambda client: connect(), lambda conn: conn.close())
    for check in (
        connect_and_ask, equal_names_different_sql, prepared_by_hand, transactions, errors, types, own_types, big_values,
        cursors, executemany, copy, settings, settings_reset, startup_settings, temporary_tables, advisory_locks,
        changed_table, many_statements, pool_of_the_driver, cancel, statement_timeout, notify,
    ):
        await tasks.check(check)
    await tasks.end()


asyncio.run(main())
