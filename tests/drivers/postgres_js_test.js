"use strict";
// postgres.js with its defaults: every query is a prepared statement, queries on one connection are pipelined, it
// looks up array types when it connects.

const { pipeline } = require("node:stream/promises");
const { Readable } = require("node:stream");
const postgres = require("postgres");
const {
  CLIENTS, ROUNDS, THROUGH_PGWEIR, POOL_SIZE, SCHEMA,
  equal, expectError, runChecks, settingsOf, setCommand, start,
} = require("./checks.js");

// One connection for each client; what else is not said is the driver's default.
const connect = (options) => postgres({ max: 1, onnotice: () => {}, ...options });

const pids = new Set();

async function connect_and_ask(client) {
  const sql = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const [tag, key] = [client.tag(), client.key()];
    equal({ ...(await sql`select ${tag} as a, ${key}::int as b, ${null}::text as c`)[0] }, { a: tag, b: key, c: null });
    pids.add((await sql`select pg_backend_pid() as pid`)[0].pid);
  }
  await client.barrier();
  if (THROUGH_PGWEIR && pids.size > POOL_SIZE) throw new Error(`${pids.size} servers were used`);
}

async function different_sql(client) {
  const sql = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    for (let which = 0; which < 3; ++which) {
      const tag = client.tag();
      const rows = await sql`select ${tag} || ${sql.unsafe(`' of ${client.number} ${which}'`)} as a`;
      equal(rows[0].a, `${tag} of ${client.number} ${which}`);
    }
  }
}

async function simple_queries(client) {
  const sql = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const tag = client.tag();
    const results = await sql`select 1 as n; select ${sql.unsafe(`'${tag}'`)} as n`.simple();
    equal(results.map((rows) => rows[0].n), [1, tag]);
    equal((await sql.unsafe(`select '${tag}' as n`))[0].n, tag);
  }
}

// All are on their way before the first answer comes.
async function pipelined(client) {
  const sql = client.conn;
  for (let i = 0; i < 5; ++i) {
    const tags = Array.from({ length: 40 }, () => client.tag());
    const answers = await Promise.all(
      tags.map((tag, n) => {
        if (n % 7 === 6) return expectError("22012", sql`select 1 / ${0}::int as a`);
        if (n % 11 === 10) return expectError("42601", sql`selec ${sql.unsafe(`${client.key()}`)}`);
        return n % 2 ? sql`select ${tag} as a` : sql`select ${tag} as a, ${n}::int as n`;
      }),
    );
    answers.forEach((rows, n) => Array.isArray(rows) && equal(rows[0].a, tags[n]));
  }
}

async function transactions(client) {
  const sql = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const [key, lost, tag] = [client.key(), client.key(), client.tag()];
    await sql.begin((t) => t`insert into items values (${key}, ${client.number}, ${tag})`);
    const failure = await sql
      .begin("isolation level serializable", async (t) => {
        await t`insert into items values (${lost}, ${client.number}, ${tag})`;
        throw new Error("enough");
      })
      .catch((error) => error);
    equal(failure.message, "enough");
    await sql.begin(async (t) => {
      await expectError("22012", t.savepoint(async (s) => {
        await s`update items set body = 'inside' where id = ${key}`;
        await s`select 1 / ${0}::int`;
      }));
      equal((await t`select body from items where id = ${key}`)[0].body, tag);
    });
    // Several queries of one transaction, pipelined.
    const rows = await sql.begin((t) => [t`select ${tag} as a`, t`select count(*)::int as a from items where id in ${t([key, lost])}`]);
    equal(rows.map((r) => r[0].a), [tag, 1]);
  }
}

async function errors(client) {
  const sql = client.conn;
  const key = client.key();
  await sql`insert into items values (${key}, ${client.number}, 'first')`;
  for (let i = 0; i < ROUNDS; ++i) {
    await expectError("23505", sql`insert into items values (${key}, ${client.number}, 'again')`);
    await expectError("42601", sql`selec ${i}`);
    await expectError("22012", sql`select 1 / ${0}::int`);
    await expectError("42P01", sql`select * from nowhere where id = ${i}`);
    await expectError("22P02", sql`select ${"x"}::text::int`);
    equal((await sql`select ${`${key} ${i}`} as a`)[0].a, `${key} ${i}`);
  }
}

async function types(client) {
  const sql = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const [tag, key] = [client.tag(), client.key()];
    const wanted = {
      a: [tag, "x,y"], b: [1, key], c: { tag, n: [1, null, 2.5] }, d: new Date(1.7e12 + key),
      e: "12345678901234567890.123456789", f: Buffer.from(Array.from({ length: 256 }, (_, n) => n)), g: 2.5, h: true, i: null,
    };
    const [row] = await sql`select ${wanted.a}::text[] as a, ${wanted.b}::int[] as b, ${sql.json(wanted.c)}::jsonb as c,
      ${wanted.d}::timestamptz as d, ${wanted.e}::numeric as e, ${wanted.f}::bytea as f, ${wanted.g}::float8 as g,
      ${wanted.h}::bool as h, ${null}::text as i`;
    equal({ ...row, f: Buffer.from(row.f) }, wanted);
  }
}

async function big_values(client) {
  for (let i = 0; i < 3; ++i) {
    const text = client.tag() + "x".repeat(1_000_000);
    equal((await client.conn`select ${text} || 'end' as a`)[0].a, `${text}end`);
  }
}

async function bulk(client) {
  const sql = client.conn;
  for (let i = 0; i < 3; ++i) {
    const items = Array.from({ length: 50 }, () => ({ id: `${client.key()}`, owner: client.number, body: client.tag() }));
    await sql`insert into items ${sql(items)}`;
    const rows = await sql`select * from items where id in ${sql(items.map((item) => item.id))} order by id`;
    equal(rows.map((row) => ({ ...row })), items);
  }
}

async function cursors(client) {
  const sql = client.conn;
  for (let i = 0; i < 3; ++i) {
    const tag = client.tag();
    const got = [];
    for await (const rows of sql`select ${tag} || n as a from generate_series(1, 50) n`.cursor(7)) {
      got.push(...rows.map((row) => row.a));
    }
    equal(got, Array.from({ length: 50 }, (_, n) => `${tag}${n + 1}`));
    const each = [];
    await sql`select ${tag} || n as a from generate_series(1, 30) n`.forEach((row) => each.push(row.a));
    equal(each.length, 30);
  }
}

async function copy(client) {
  const sql = client.conn;
  const lines = Array.from({ length: 200 }, (_, n) => `${client.number}\t${n}\t${client.tag()}\n`);
  await pipeline(Readable.from(lines), await sql`copy copied from stdin`.writable());
  const chunks = [];
  const select = sql.unsafe(`select * from copied where owner = ${client.number} order by n`);
  for await (const chunk of await sql`copy (${select}) to stdout`.readable()) chunks.push(chunk);
  equal(Buffer.concat(chunks).toString(), lines.join(""));
  equal((await sql`select count(*)::int as a from copied where owner = ${client.number}`)[0].a, 200);
}

async function settings(client) {
  const sql = client.conn;
  const wanted = settingsOf(client);
  const names = Object.keys(wanted);
  const show = async () => {
    const got = {};
    for (const name of names) got[name] = Object.values((await sql.unsafe(`show ${name}`))[0])[0];
    return got;
  };
  const before = await show();
  for (const name of names) await sql.unsafe(setCommand(name, wanted[name]));
  await client.barrier("set");
  for (let i = 0; i < ROUNDS; ++i) {
    equal(await show(), wanted);
    equal((await sql`select owner from here where owner > ${-1}`)[0].owner, client.number);
  }
  await client.barrier("checked");
  for (const name of names) await sql.unsafe(`reset ${name}`);
  equal(await show(), before);
}

async function startup_settings(client) {
  const sql = connect({
    connection: { application_name: `started by ${client.number}`, statement_timeout: 100_001 + client.number, search_path: `place${client.number}` },
  });
  await sql`select 1`;
  await client.barrier();
  for (let i = 0; i < ROUNDS; ++i) {
    equal((await sql`show application_name`)[0].application_name, `started by ${client.number}`);
    equal((await sql`show statement_timeout`)[0].statement_timeout, `${100_001 + client.number}ms`);
    equal((await sql`select owner from here`)[0].owner, client.number);
  }
  await sql.end();
}

async function temporary_tables(client) {
  const sql = client.conn;
  const tag = client.tag();
  await sql`create temp table mine (body text)`;
  await sql`insert into mine values (${tag})`;
  equal((await sql`select body from mine`)[0].body, tag);
  await sql`drop table mine`;
}

// The driver prepares again by itself, when the error comes from where PostgreSQL notices.
async function changed_table(client) {
  const sql = client.conn;
  const table = sql(`changing${client.number}`);
  const wanted = { id: client.number, body: "x" };
  await sql`insert into ${table} values (${client.number}, 'x')`;
  for (let turn = 0; turn < 3; ++turn) {
    for (let i = 0; i < ROUNDS; ++i) {
      equal({ ...(await sql`select * from ${table} where id = ${client.number}`)[0] }, wanted);
    }
    await sql.unsafe(`alter table changing${client.number} add column extra${turn} int default ${turn}`);
    wanted[`extra${turn}`] = turn;
  }
}

// The driver retries here as well: its statement is gone.
async function deallocate_all(client) {
  const sql = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const tag = client.tag();
    equal((await sql`select ${tag} as a`)[0].a, tag);
    if (i % 4 === 3) await sql.unsafe(i % 8 === 7 ? "discard all" : "deallocate all");
  }
}

async function pool_of_the_driver(client) {
  const sql = postgres({ max: 3 });
  await Promise.all(
    Array.from({ length: 30 }, async (_, n) => {
      const tag = client.tag();
      equal((await sql`select ${tag} as a`)[0].a, tag);
      if (n % 5) return;
      const reserved = await sql.reserve();
      equal((await reserved`select ${tag} as a`)[0].a, tag);
      reserved.release();
      equal((await sql.begin((t) => t`select ${tag} as a`))[0].a, tag);
    }),
  );
  await sql.end();
}

async function cancel(client) {
  const sql = client.conn;
  for (let i = 0; i < 2; ++i) {
    const query = sql`select pg_sleep(50)`.execute();
    let waiting = true;
    const settled = expectError("57014", query).finally(() => (waiting = false));
    // Again until it has arrived: one that comes before the query does not count. The driver's own cancel() works
    // once for each query.
    while (waiting) {
      if (query.active) await query.canceller(query);
      await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    await settled;
    const tag = client.tag();
    equal((await sql`select ${tag} as a`)[0].a, tag);
  }
}

async function notify(client) {
  const sql = postgres({ max: 1 });
  const missing = new Set([`own${client.number} for ${client.number}`]);
  for (let n = 0; n < CLIENTS; ++n) missing.add(`everybody ${n}`);
  await new Promise((resolve, reject) => {
    const got = (channel) => (payload) => {
      if (!missing.delete(`${channel} ${payload}`)) reject(new Error(`surprised by ${channel} ${payload}`));
      if (!missing.size) resolve();
    };
    (async () => {
      await sql.listen(`own${client.number}`, got(`own${client.number}`));
      await sql.listen("everybody", got("everybody"));
      await client.barrier();
      await sql.notify(`own${client.number}`, `for ${client.number}`);
      await sql.notify("everybody", `${client.number}`);
    })().catch(reject);
  });
  await sql.end();
}

start(async () => {
  const sql = connect();
  for (const text of SCHEMA) await sql.unsafe(text);
  await sql.end();
  await runChecks("postgres.js", () => connect(), (c) => c.end({ timeout: 5 }), [
    connect_and_ask, different_sql, simple_queries, pipelined, transactions, errors, types, big_values, bulk, cursors,
    copy, settings, startup_settings, temporary_tables, changed_table, deallocate_all, pool_of_the_driver, cancel,
    notify,
  ]);
});
