"use strict";
// The console, read with the default settings of node-postgres and postgres.js.

process.noDeprecation = true;

const assert = require("node:assert");
const pg = require("pg");
const postgres = require("postgres");

const shows = [
  "STATS", "STATS_TOTALS", "STATS_AVERAGES", "TOTALS", "POOLS", "CLIENTS", "SERVERS", "DATABASES", "USERS",
  "LISTS", "CONFIG", "STATE", "VERSION", "HELP", "ERRORS",
];
const login = { database: "pgweir", user: "dba", password: "dba" };

async function nodePostgres() {
  const client = new pg.Client(login);
  await client.connect();
  for (const name of shows) {
    const simple = await client.query(`SHOW ${name}`);
    assert(simple.rows.length > 0, name);
    const prepared = await client.query({ name: `show ${name}`, text: `SHOW ${name}`, values: [] });
    assert.deepStrictEqual(prepared.fields.map((f) => f.name), simple.fields.map((f) => f.name));
  }
  assert.strictEqual((await client.query("select 1")).rows.length, 1);
  await client.query("BEGIN");
  await client.query("SHOW POOLS");
  await client.query("COMMIT");
  await assert.rejects(client.query({ text: "SHOW NONSENSE", values: [] }), { code: "42601" });
  assert.strictEqual((await client.query({ text: "RELOAD", values: [] })).command, "RELOAD");
  await client.end();
}

async function postgresJs() {
  // It asks pg_catalog for the types of arrays unless told not to.
  const sql = postgres({ ...login, fetch_types: false, max: 2, onnotice: () => {} });
  for (const name of shows) {
    const rows = await sql.unsafe(`SHOW ${name}`);
    assert(rows.length > 0, name);
    assert.strictEqual((await sql.unsafe(`SHOW ${name}`, [], { prepare: true })).columns.length, rows.columns.length);
  }
  await sql.end();
}

(async () => {
  const app = new pg.Client();
  await app.connect();
  await app.query("select 1");
  for (const check of [nodePostgres, postgresJs]) {
    await check();
    console.log("PASS", check.name);
  }
  await app.end();
})();
