"use strict";
// node-postgres (pg) with its defaults: the extended protocol for queries with values, statements prepared under
// the names that the application gives, the driver's own pool.

process.noDeprecation = true; // queries wait in the driver's queue; it works

const { pipeline } = require("node:stream/promises");
const { Readable } = require("node:stream");
const pg = require("pg");
const Cursor = require("pg-cursor");
const copy = require("pg-copy-streams");
const {
  CLIENTS, ROUNDS, THROUGH_PGWEIR, POOL_SIZE, SCHEMA,
  equal, expectError, runChecks, settingsOf, setCommand, start,
} = require("./checks.js");

async function connect(options) {
  const conn = new pg.Client(options);
  conn.on("error", () => {}); // the query that runs then fails as well
  await conn.connect();
  return conn;
}

async function value(conn, text, values) {
  const { rows } = await conn.query({ text, values, rowMode: "array" });
  return rows[0][0];
}

const pids = new Set();

async function connect_and_ask(client) {
  const { conn } = client;
  for (let i = 0; i < ROUNDS; ++i) {
    const tag = client.tag();
    equal(await value(conn, `select '${tag}'`), tag);
    pids.add(await value(conn, "select pg_backend_pid()"));
  }
  await client.barrier();
  if (THROUGH_PGWEIR && pids.size > POOL_SIZE) throw new Error(`${pids.size} servers were used`);
}

async function parameters(client) {
  for (let i = 0; i < ROUNDS; ++i) {
    const [tag, key] = [client.tag(), client.key()];
    const { rows } = await client.conn.query("select $1::text as a, $2::int as b, $3::text as c", [tag, key, null]);
    equal({ ...rows[0] }, { a: tag, b: key, c: null });
  }
}

// Every client calls its statements q0, q1 and q2.
async function equal_names_different_sql(client) {
  for (let i = 0; i < ROUNDS; ++i) {
    for (let which = 0; which < 3; ++which) {
      const tag = client.tag();
      const text = `select $1::text || ' of ${client.number} ${which}' as body`;
      const { rows } = await client.conn.query({ name: `q${which}`, text, values: [tag] });
      equal(rows[0].body, `${tag} of ${client.number} ${which}`);
    }
  }
}

async function same_sql_everywhere(client) {
  for (let i = 0; i < ROUNDS; ++i) {
    const key = client.key();
    await client.conn.query({
      name: "insert-item", text: "insert into items values ($1, $2, $3)", values: [key, client.number, `${key}`],
    });
    const { rows } = await client.conn.query({
      name: "get-item", text: "select owner, body from items where id = $1", values: [key],
    });
    equal({ ...rows[0] }, { owner: client.number, body: `${key}` });
  }
}

async function several_statements(client) {
  for (let i = 0; i < ROUNDS; ++i) {
    const tag = client.tag();
    const results = await client.conn.query(`select 1 as n; select '${tag}' as n; select 3 as n`);
    equal(results.map((result) => result.rows[0].n), [1, tag, 3]);
    await expectError("22012", client.conn.query("select 1; select 1/0; select 2"));
  }
}

async function transactions(client) {
  const { conn } = client;
  for (let i = 0; i < ROUNDS; ++i) {
    const [key, lost, tag] = [client.key(), client.key(), client.tag()];
    await conn.query("begin");
    await conn.query("insert into items values ($1, $2, $3)", [key, client.number, tag]);
    await conn.query("commit");
    await conn.query("begin isolation level serializable");
    await conn.query("insert into items values ($1, $2, $3)", [lost, client.number, tag]);
    await conn.query("rollback");
    await conn.query("begin");
    await conn.query("savepoint a");
    await conn.query("update items set body = 'inside' where id = $1", [key]);
    await expectError("22012", conn.query({ name: "divide", text: "select 1 / $1::int", values: [0] }));
    await expectError("25P02", conn.query("select $1::int", [1]));
    await conn.query("rollback to a");
    equal(await value(conn, "select body from items where id = $1", [key]), tag);
    await conn.query("commit");
    equal(await value(conn, "select count(*)::int from items where id in ($1, $2)", [key, lost]), 1);
  }
}

// The driver queues queries; all of these are asked before the first answer comes.
async function queued(client) {
  for (let i = 0; i < 3; ++i) {
    const tags = Array.from({ length: 20 }, () => client.tag());
    const answers = await Promise.all(
      tags.map((tag, n) =>
        n % 5 === 4 ? expectError("22012", client.conn.query("select 1/0")) : value(client.conn, "select $1::text", [tag])),
    );
    answers.forEach((answer, n) => n % 5 === 4 || equal(answer, tags[n]));
  }
}

async function errors(client) {
  const { conn } = client;
  const key = client.key();
  await conn.query("insert into items values ($1, $2, 'first')", [key, client.number]);
  for (let i = 0; i < ROUNDS; ++i) {
    await expectError("23505", conn.query("insert into items values ($1, $2, $3)", [key, client.number, "x"]));
    await expectError("42601", conn.query("selec $1", [i]));
    await expectError("42601", conn.query("selec 1"));
    await expectError("22012", conn.query({ name: "divide", text: "select 1 / $1::int", values: [0] }));
    await expectError("42P01", conn.query({ name: "nowhere", text: "select * from nowhere where id = $1", values: [i] }));
    await expectError("22P02", conn.query({ name: "cast", text: "select $1::int as n", values: ["x"] }));
    equal(await value(conn, "select $1::text", [`${key} ${i}`]), `${key} ${i}`);
  }
}

async function types(client) {
  for (let i = 0; i < ROUNDS; ++i) {
    const [tag, key] = [client.tag(), client.key()];
    const values = [
      [tag, null, "x,y"], [[1, 2], [3, key % 1000]], { tag, n: [1, null, 2.5] }, new Date(1.7e12 + key),
      "12345678901234567890.123456789", Buffer.from(Array.from({ length: 256 }, (_, n) => n)), 2.5, true, null,
    ];
    const { rows } = await client.conn.query({
      text: "select $1::text[], $2::int[], $3::jsonb, $4::timestamptz, $5::numeric, $6::bytea, $7::float8, $8::bool, $9::text",
      values, rowMode: "array",
    });
    equal(rows, [values]);
  }
}

async function big_values(client) {
  for (let i = 0; i < 3; ++i) {
    const text = client.tag() + "x".repeat(1_000_000);
    equal(await value(client.conn, "select $1::text || 'end'", [text]), `${text}end`);
  }
}

async function cursors(client) {
  const { conn } = client;
  for (let i = 0; i < 3; ++i) {
    const tag = client.tag();
    await conn.query("begin");
    const cursor = conn.query(new Cursor("select $1 || n::text as a from generate_series(1, 50) n", [tag]));
    const got = [];
    for (let rows; (rows = await cursor.read(7)).length; ) got.push(...rows.map((row) => row.a));
    equal(got, Array.from({ length: 50 }, (_, n) => `${tag}${n + 1}`));
    await cursor.close();
    await conn.query("commit");
  }
}

// Outside a transaction: the driver sends Flush, so the portal lives until the Sync that ends it.
async function cursors_without_transaction(client) {
  const { conn } = client;
  for (let i = 0; i < 3; ++i) {
    const tag = client.tag();
    const cursor = conn.query(new Cursor("select $1 || n::text as a from generate_series(1, 50) n", [tag]));
    equal((await cursor.read(3)).map((row) => row.a), [1, 2, 3].map((n) => tag + n));
    equal((await cursor.read(2)).map((row) => row.a), [4, 5].map((n) => tag + n));
    await cursor.close();
    equal(await value(conn, "select $1::text", [tag]), tag);
  }
}

async function copy_streams(client) {
  const { conn } = client;
  const lines = Array.from({ length: 200 }, (_, n) => `${client.number}\t${n}\t${client.tag()}\n`);
  await pipeline(Readable.from(lines), conn.query(copy.from("copy copied from stdin")));
  const select = `select * from copied where owner = ${client.number} order by n`;
  const chunks = [];
  for await (const chunk of conn.query(copy.to(`copy (${select}) to stdout`))) chunks.push(chunk);
  equal(Buffer.concat(chunks).toString(), lines.join(""));
  await expectError("22P02", pipeline(Readable.from(["x\t1\tx\n"]), conn.query(copy.from("copy copied from stdin"))));
  equal(await value(conn, "select count(*)::int from copied where owner = $1", [client.number]), 200);
}

async function settings(client) {
  const { conn } = client;
  const wanted = settingsOf(client);
  const names = Object.keys(wanted);
  const show = async () => {
    const got = {};
    for (const name of names) got[name] = await value(conn, `show ${name}`);
    return got;
  };
  const before = await show();
  for (const name of names) await conn.query(setCommand(name, wanted[name]));
  await client.barrier("set");
  for (let i = 0; i < ROUNDS; ++i) {
    equal(await show(), wanted);
    equal(await value(conn, "select owner from here where owner > $1", [-1]), client.number);
    const { rows } = await conn.query({ name: "here", text: "select owner from here" });
    equal(rows[0].owner, client.number);
  }
  await client.barrier("checked");
  for (const name of names) await conn.query(`reset ${name}`);
  equal(await show(), before);
}

// These are in the startup message.
async function startup_settings(client) {
  const conn = await connect({
    application_name: `started by ${client.number}`, statement_timeout: 100_001 + client.number,
    lock_timeout: 50_001 + client.number, options: `-c work_mem=${4000 + client.number}kB`,
  });
  await client.barrier();
  for (let i = 0; i < ROUNDS; ++i) {
    equal(await value(conn, "show application_name"), `started by ${client.number}`);
    equal(await value(conn, "show statement_timeout"), `${100_001 + client.number}ms`);
    equal(await value(conn, "show lock_timeout"), `${50_001 + client.number}ms`);
    equal(await value(conn, "show work_mem"), `${4000 + client.number}kB`);
  }
  await conn.end();
}

async function temporary_tables(client) {
  const { conn } = client;
  const tag = client.tag();
  await conn.query("create temp table mine (body text)");
  await conn.query("insert into mine values ($1)", [tag]);
  equal(await value(conn, "select body from mine"), tag);
  await conn.query("drop table mine");
}

async function changed_table(client) {
  const { conn } = client;
  const table = `changing${client.number}`;
  for (let turn = 0; turn < 3; ++turn) {
    for (let i = 0; i < ROUNDS; ++i) {
      const tag = client.tag();
      await conn.query({ name: "in", text: `insert into ${table} (id, body) values ($1, $2)`, values: [turn, tag] });
      const { rows } = await conn.query({ name: "out", text: `select body from ${table} where body = $1`, values: [tag] });
      equal(rows.map((row) => row.body), [tag]);
    }
    await conn.query(`alter table ${table} add column extra${turn} int default ${turn}`);
  }
}

// PostgreSQL itself refuses the prepared statement; pgweir prepares it again.
async function changed_result_type(client) {
  const { conn } = client;
  const table = `again${client.number}`;
  await conn.query(`create table ${table} (id int); insert into ${table} values (${client.number})`);
  const ask = async () => (await conn.query({ name: "all", text: `select * from ${table} where id >= $1`, values: [0] })).rows;
  for (let i = 0; i < ROUNDS; ++i) equal({ ...(await ask())[0] }, { id: client.number });
  await conn.query(`alter table ${table} add column body text default 'new'`);
  if (THROUGH_PGWEIR) {
    for (let i = 0; i < ROUNDS; ++i) equal({ ...(await ask())[0] }, { id: client.number, body: "new" });
  } else {
    await expectError("0A000", ask());
  }
  await conn.query("deallocate all");
  await conn.query(`drop table ${table}`);
  client.conn = null; // the driver does not know that its statements are gone
  await conn.end();
}

async function discard_all(client) {
  const { conn } = client;
  await conn.query(`set work_mem = '${5000 + client.number}kB'`);
  await conn.query({ name: "gone", text: "select $1::text", values: ["x"] });
  await conn.query("discard all");
  equal(await value(conn, "show work_mem"), "4MB");
  await expectError("26000", conn.query({ name: "gone", text: "select $1::text", values: ["x"] }));
  const fresh = { name: "fresh", text: `select $1::text || '${client.number}' as a`, values: ["x"] };
  equal((await conn.query(fresh)).rows[0].a, `x${client.number}`);
  client.conn = null; // the driver does not know that its statements are gone
  await conn.end();
}

async function pool_of_the_driver(client) {
  const pool = new pg.Pool({ max: 3 });
  const use = async () => {
    const tag = client.tag();
    const { rows } = await pool.query({ name: "pooled", text: `select $1::text || '${client.number}' as a`, values: [tag] });
    equal(rows[0].a, `${tag}${client.number}`);
    const conn = await pool.connect();
    await conn.query("begin");
    equal(await value(conn, "select $1::text", [tag]), tag);
    await conn.query("rollback");
    conn.release();
  };
  await Promise.all(Array.from({ length: 20 }, use));
  await pool.end();
}

async function cancel(client) {
  const { conn } = client;
  for (let i = 0; i < 2; ++i) {
    const query = new pg.Query("select pg_sleep(50)");
    const done = new Promise((resolve, reject) => query.on("end", resolve).on("error", reject));
    let waiting = true;
    const settled = expectError("57014", done).finally(() => (waiting = false));
    conn.query(query);
    // Again until it has arrived: one that comes before the query does not count.
    const repeat = async () => {
      while (waiting) {
        const canceller = new pg.Client();
        const sent = new Promise((resolve) => canceller.connection.on("end", resolve).on("error", resolve));
        canceller.cancel(conn, query);
        await sent;
      }
    };
    await Promise.all([settled, repeat()]);
    const tag = client.tag();
    equal(await value(conn, "select $1::text", [tag]), tag);
  }
}

async function statement_timeout(client) {
  const { conn } = client;
  await conn.query("begin; set local statement_timeout = 20; savepoint a");
  await expectError("57014", conn.query("select pg_sleep($1)", [50]));
  await conn.query("rollback to a");
  const tag = client.tag();
  equal(await value(conn, "select $1::text", [tag]), tag);
  await conn.query("commit");
  equal(await value(conn, "show statement_timeout"), "0");
}

async function notify(client) {
  const { conn } = client;
  const missing = new Set([`own${client.number} for ${client.number}`]);
  for (let n = 0; n < CLIENTS; ++n) missing.add(`everybody ${n}`);
  const complete = new Promise((resolve, reject) => {
    conn.on("notification", ({ channel, payload }) => {
      if (!missing.delete(`${channel} ${payload}`)) reject(new Error(`surprised by ${channel} ${payload}`));
      if (!missing.size) resolve();
    });
  });
  complete.catch(() => {}); // it is waited for below
  await conn.query(`listen own${client.number}`);
  await conn.query("listen everybody");
  await client.barrier();
  await conn.query("select pg_notify($1, $2)", [`own${client.number}`, `for ${client.number}`]);
  await conn.query("select pg_notify('everybody', $1)", [`${client.number}`]);
  await complete;
  await conn.query("unlisten *");
}

start(async () => {
  const conn = await connect();
  for (const sql of SCHEMA) await conn.query(sql);
  await conn.end();
  await runChecks("pg", () => connect(), (c) => c.end(), [
    connect_and_ask, parameters, equal_names_different_sql, same_sql_everywhere, several_statements, transactions,
    queued, errors, types, big_values, cursors, cursors_without_transaction, copy_streams, settings, startup_settings,
    temporary_tables, changed_table, changed_result_type, discard_all, pool_of_the_driver, cancel, statement_timeout,
    notify,
  ]);
});
