"use strict";
// Named checks for driver programs, as checks.py: each runs for all clients at the same time, and says PASS or
// FAIL. A client keeps its connection from check to check; after a failure it gets a new one. What a client asks
// carries its tag, so that a reply of somebody else is noticed. A check that hangs ends the program.

const assert = require("node:assert");

const CLIENTS = 20;
const ROUNDS = 8; // more than any driver's threshold for preparing
const PATIENCE = 60; // seconds for one check of all clients; only a broken one needs them
const THROUGH_PGWEIR = process.env.PGWEIR_TARGET === "pgweir";
const POOL_SIZE = Number(process.env.PGWEIR_POOL_SIZE);

class Barrier {
  constructor(parties) {
    this.missing = parties;
    this.opened = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.opened.catch(() => {}); // nobody may be waiting
  }
  wait() {
    if (--this.missing === 0) this.resolve();
    return this.opened;
  }
}
class BrokenBarrier extends Error {}

class Client {
  constructor(number) {
    this.number = number;
    this.conn = null;
    this.count = 0;
  }
  tag() {
    return `client${this.number}-${++this.count}`;
  }
  // An integer that no other client makes.
  key() {
    return this.number * 1_000_000 + ++this.count;
  }
  // Waits until all clients are here; a check may have several.
  barrier(name = "") {
    if (!this.barriers.has(name)) this.barriers.set(name, new Barrier(CLIENTS));
    return this.barriers.get(name).wait();
  }
}

function shorten(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? String(value);
  return text.length <= 200 ? text : `${text.slice(0, 200)}... (${text.length} characters)`;
}

function equal(got, wanted) {
  try {
    assert.deepStrictEqual(got, wanted);
  } catch {
    throw new Error(`got ${shorten(got)}, wanted ${shorten(wanted)}`);
  }
}

// Of a driver's error, also when an ORM has wrapped it.
function sqlstate(error) {
  for (let e = error; e; e = e.original ?? e.parent ?? e.cause) if (/^[0-9A-Z]{5}$/.test(e.code)) return e.code;
  return undefined;
}

// The promise must be rejected with this SQLSTATE.
async function expectError(state, promise) {
  let error;
  try {
    await promise;
  } catch (e) {
    error = e;
  }
  if (!error) throw new Error(`no error, wanted ${state}`);
  if (sqlstate(error) !== state) throw new Error(`got error ${sqlstate(error)} (${describe(error)}), wanted ${state}`);
  return error;
}

function describe(error) {
  const line = String(error?.stack).match(new RegExp(`${process.argv[1]}:(\\d+)`));
  return shorten(`${error?.name}: ${error?.message}`) + (line ? ` (line ${line[1]})` : "");
}

// Runs the checks, functions of a client, in order. `connect` gives a client its connection, `close` ends it.
async function runChecks(driver, connect, close, checks) {
  const only = process.argv.slice(2);
  const clients = Array.from({ length: CLIENTS }, (_, n) => new Client(n));
  let passed = 0, failed = 0;
  const end = () => {
    console.log(`${driver}: ${passed} passed, ${failed} failed`);
    process.exit(failed || !passed ? 1 : 0);
  };
  const run = async (name, work) => {
    const started = Date.now();
    const failures = [];
    const barriers = new Map();
    const all = Promise.all(
      clients.map(async (client) => {
        client.barriers = barriers;
        try {
          await work(client);
        } catch (error) {
          if (!(error instanceof BrokenBarrier)) failures.push([client.number, error]);
          // The others are not to wait for one that failed, whatever it is that they wait for next.
          for (const barrier of barriers.values()) barrier.reject(new BrokenBarrier());
          barriers.get = () => ({ wait: () => Promise.reject(new BrokenBarrier()) });
          barriers.has = () => true;
          const broken = client.conn;
          client.conn = null;
          if (broken) await Promise.race([close(broken), after(5)]).catch(() => {});
        }
      }),
    );
    if ((await Promise.race([all, after(PATIENCE)])) === "late") {
      ++failed;
      const first = failures.length ? `; client ${failures[0][0]}: ${describe(failures[0][1])}` : "";
      console.log(`FAIL ${driver} ${name}: not done after ${PATIENCE} seconds${first}; the checks after it did not run`);
      end();
    }
    if (failures.length) {
      ++failed;
      const [number, error] = failures[0];
      console.log(`FAIL ${driver} ${name}: ${failures.length} clients, as client ${number}: ${describe(error)}`);
      if (process.env.CHECKS_TRACE) console.log(error);
    } else {
      ++passed;
      console.log(`PASS ${driver} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    }
  };
  for (const name of only) {
    if (!checks.some((check) => check.name === name)) {
      console.log(`there is no check ${name}`);
      ++failed;
    }
  }
  for (const check of checks) {
    if (only.length && !only.includes(check.name)) continue;
    await run(check.name, async (client) => {
      client.conn ??= await connect(client);
      await check(client);
    });
  }
  await run("close", async (client) => {
    if (client.conn) await close(client.conn);
    client.conn = null;
  });
  end();
}

function after(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000, "late").unref());
}

// What a client sets, and what SHOW then says: reported parameters and others.
function settingsOf(client) {
  const n = client.number;
  const zones = ["UTC", "Asia/Tokyo", "America/Lima", "Europe/Rome", "Africa/Cairo", "Asia/Kolkata", "Australia/Perth"];
  return {
    application_name: `app of client ${n}`,
    timezone: zones[n % zones.length],
    datestyle: ["ISO, MDY", "ISO, DMY", "ISO, YMD"][n % 3],
    statement_timeout: `${100_001 + n}ms`,
    search_path: `place${n}, public`,
    work_mem: `${1001 + n}kB`,
    default_transaction_isolation: ["read committed", "repeatable read", "serializable"][n % 3],
  };
}

function setCommand(name, value) {
  return `set ${name} = ${name === "search_path" ? value : `'${value}'`}`;
}

// A schema for each client, so that search_path decides what a query finds.
const SCHEMA = [
  "create table items (id bigint primary key, owner int not null, body text)",
  "create table copied (owner int, n int, body text)",
  ...Array.from({ length: CLIENTS }, (_, n) => [
    `create schema place${n}`,
    `create table place${n}.here as select ${n} as owner`,
    `create table changing${n} (id int, body text)`,
  ]).flat(),
];

// For a program's main function: what it throws fails the program.
function start(main) {
  main().catch((error) => {
    console.log(error);
    process.exit(1);
  });
}

module.exports = {
  CLIENTS, ROUNDS, THROUGH_PGWEIR, POOL_SIZE, SCHEMA,
  equal, expectError, runChecks, settingsOf, setCommand, sqlstate, start,
};
