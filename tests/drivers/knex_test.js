"use strict";
// Knex over pg with its defaults: its own pool of two to ten connections.

const { ROUNDS, equal, expectError, runChecks, start } = require("./checks.js");

const log = { warn() {}, error() {} }; // what it says there also makes a check fail
const connect = () => require("knex")({ client: "pg", connection: {}, log });

async function schema(client) {
  const knex = client.conn;
  const name = `made${client.number}`;
  await knex.schema.createTable(name, (table) => {
    table.increments();
    table.text("label").index();
  });
  await knex(name).insert({ label: name });
  await knex.schema.alterTable(name, (table) => {
    table.integer("extra").defaultTo(7);
    table.renameColumn("label", "text");
  });
  equal({ ...(await knex(name).first()) }, { id: 1, text: name, extra: 7 });
  equal(Object.keys(await knex(name).columnInfo()).sort(), ["extra", "id", "text"]);
  await knex.schema.dropTable(name);
  equal(await knex.schema.hasTable(name), false);
}

async function create_read_update_delete(client) {
  const knex = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const name = client.tag();
    const titles = Array.from({ length: 3 }, () => client.tag()).sort();
    const [{ id }] = await knex("authors").insert({ name, tags: [name, "x"], extra: { name } }).returning("id");
    await knex("books").insert(titles.map((title) => ({ title, author_id: id })));
    const rows = await knex("authors").join("books", "books.author_id", "authors.id").where({ name }).orderBy("title")
      .select("name", "title", "tags", "extra");
    equal(rows.map((row) => ({ ...row })), titles.map((title) => ({ name, title, tags: [name, "x"], extra: { name } })));
    equal(await knex("authors").where({ id }).increment("score", 5), 1);
    equal(await knex("authors").where({ id }).pluck("score"), [5]);
    await knex("authors").where({ id }).del();
    equal(await knex("books").whereIn("title", titles).count("* as n").first().then((row) => row.n), "0");
  }
}

async function transactions(client) {
  const knex = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const [name, lost] = [client.tag(), client.tag()];
    await knex.transaction(async (trx) => {
      await trx("authors").insert({ name });
      await expectError("23505", trx.transaction(async (inner) => {
        await inner("authors").insert({ name: lost });
        await inner("authors").insert({ name });
      }));
    });
    const trx = await knex.transaction({ isolationLevel: "repeatable read" });
    await trx("authors").insert({ name: lost });
    await trx.rollback();
    equal(await knex("authors").whereIn("name", [name, lost]).pluck("name"), [name]);
  }
}

async function at_the_same_time(client) {
  const knex = client.conn;
  await Promise.all(
    Array.from({ length: 30 }, async (_, n) => {
      const name = client.tag();
      if (n % 3) await knex("authors").insert({ name });
      else await knex.transaction((trx) => trx("authors").insert({ name }));
      equal(await knex("authors").where({ name }).pluck("name"), [name]);
      equal((await knex.raw("select ? as a", [name])).rows[0].a, name);
    }),
  );
}

async function errors(client) {
  const knex = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    await expectError("22012", knex.raw("select 1 / ?::int", [0]));
    await expectError("42601", knex.raw("selec 1"));
    await expectError("42P01", knex("nowhere").select());
    const tag = client.tag();
    equal((await knex.raw("select ? as a", [tag])).rows[0].a, tag);
  }
}

async function bulk(client) {
  const knex = client.conn;
  for (let i = 0; i < 3; ++i) {
    const names = Array.from({ length: 100 }, () => client.tag()).sort();
    await knex.batchInsert("authors", names.map((name) => ({ name })), 30);
    await knex("authors").insert(names.map((name) => ({ name, score: client.number }))).onConflict("name").merge();
    equal(await knex("authors").whereIn("name", names).where({ score: client.number }).orderBy("name").pluck("name"), names);
    equal(await knex("authors").whereIn("name", names).del(), 100);
  }
}

async function timeouts(client) {
  const knex = client.conn;
  // Knex gives up and closes the connection. (With `cancel: true` it asks pg_cancel_backend() over a further
  // connection, about a process that is not the client's own behind any pooler: not tried here.)
  const error = await knex.raw("select pg_sleep(50)").timeout(50).catch((e) => e);
  equal(error.name, "KnexTimeoutError");
  const tag = client.tag();
  equal((await knex.raw("select ? as a", [tag])).rows[0].a, tag);
}

async function migrations(client) {
  const knex = client.conn;
  const name = `migrated${client.number}`;
  const config = {
    tableName: `${name}_log`,
    migrationSource: {
      getMigrations: async () => ["first", "second"],
      getMigrationName: (migration) => migration,
      getMigration: async (migration) => ({
        up: (k) => migration === "first" ? k.schema.createTable(name, (t) => t.text("a")) : k.schema.alterTable(name, (t) => t.text("b")),
        down: (k) => migration === "first" ? k.schema.dropTable(name) : k.schema.alterTable(name, (t) => t.dropColumn("b")),
      }),
    },
  };
  equal((await knex.migrate.latest(config))[1], ["first", "second"]);
  equal(Object.keys(await knex(name).columnInfo()), ["a", "b"]);
  equal((await knex.migrate.rollback(config))[1], ["second", "first"]);
  equal(await knex.schema.hasTable(name), false);
}

start(async () => {
  const knex = connect();
  await knex.schema.createTable("authors", (table) => {
    table.increments();
    table.text("name").unique().notNullable();
    table.specificType("tags", "text[]");
    table.jsonb("extra");
    table.integer("score").defaultTo(0);
  });
  await knex.schema.createTable("books", (table) => {
    table.increments();
    table.text("title");
    table.integer("author_id").references("authors.id").onDelete("CASCADE");
  });
  await knex.destroy();
  await runChecks("knex", connect, (c) => c.destroy(), [
    schema, create_read_update_delete, transactions, at_the_same_time, errors, bulk, timeouts, migrations,
  ]);
});
