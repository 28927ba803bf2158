"use strict";
// Sequelize over pg with its defaults: its own pool of five connections, SET of the session after each connect.

const { Sequelize, DataTypes, Op } = require("sequelize");
const { ROUNDS, equal, expectError, runChecks, start } = require("./checks.js");

function connect() {
  const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
  const orm = new Sequelize(PGDATABASE, PGUSER, PGPASSWORD, { host: PGHOST, port: PGPORT, dialect: "postgres", logging: false });
  orm.Author = orm.define("author", {
    name: { type: DataTypes.TEXT, unique: true, allowNull: false },
    born: DataTypes.DATE, tags: DataTypes.ARRAY(DataTypes.TEXT), extra: DataTypes.JSONB,
    score: { type: DataTypes.INTEGER, defaultValue: 0 },
  });
  orm.Book = orm.define("book", { title: DataTypes.TEXT });
  orm.Author.hasMany(orm.Book, { onDelete: "CASCADE" });
  orm.Book.belongsTo(orm.Author);
  return orm;
}

async function schema(client) {
  const orm = client.conn;
  const Thing = orm.define(`thing${client.number}`, { label: { type: DataTypes.TEXT } }, { indexes: [{ fields: ["label"] }] });
  await Thing.sync();
  await Thing.create({ label: client.tag() });
  await orm.getQueryInterface().addColumn(Thing.getTableName(), "extra", { type: DataTypes.INTEGER, defaultValue: 7 });
  Thing.rawAttributes.extra = { type: DataTypes.INTEGER };
  Thing.refreshAttributes();
  equal((await Thing.findOne()).extra, 7);
  const columns = Object.keys(await orm.getQueryInterface().describeTable(Thing.getTableName()));
  equal(columns, ["id", "label", "createdAt", "updatedAt", "extra"]);
  await Thing.sync({ alter: true });
  await Thing.drop();
}

async function create_read_update_delete(client) {
  const { Author, Book } = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const name = client.tag();
    const born = new Date(1.7e12 + client.key());
    const titles = Array.from({ length: 3 }, () => client.tag()).sort();
    const made = await Author.create(
      { name, born, tags: [name, "x"], extra: { name }, books: titles.map((title) => ({ title })) }, { include: Book },
    );
    const found = await Author.findByPk(made.id, { include: Book, order: [[Book, "title", "ASC"]] });
    equal([found.name, found.born, found.tags, found.extra], [name, born, [name, "x"], { name }]);
    equal(found.books.map((book) => book.title), titles);
    await found.update({ extra: { changed: name } });
    await found.increment("score", { by: 5 });
    const again = await Author.findOne({ where: { name } });
    equal([again.score, again.extra], [5, { changed: name }]);
    await again.destroy();
    equal(await Book.count({ where: { title: { [Op.in]: titles } } }), 0);
  }
}

async function transactions(client) {
  const orm = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    const [name, lost] = [client.tag(), client.tag()];
    await orm.transaction(async (transaction) => {
      await orm.Author.create({ name }, { transaction });
      await expectError("23505", orm.transaction({ transaction }, async (inner) => {
        await orm.Author.create({ name: lost }, { transaction: inner });
        await orm.Author.create({ name }, { transaction: inner });
      }));
    });
    await orm
      .transaction({ isolationLevel: "SERIALIZABLE" }, async (transaction) => {
        await orm.Author.create({ name: lost }, { transaction });
        throw new Error("enough");
      })
      .catch((error) => equal(error.message, "enough"));
    const found = await orm.Author.findAll({ where: { name: { [Op.in]: [name, lost] } } });
    equal(found.map((author) => author.name), [name]);
  }
}

// More at the same time than the pool of Sequelize has connections.
async function at_the_same_time(client) {
  const orm = client.conn;
  await Promise.all(
    Array.from({ length: 30 }, async (_, n) => {
      const name = client.tag();
      if (n % 3 === 0) {
        await orm.transaction((transaction) => orm.Author.create({ name }, { transaction }));
      } else {
        await orm.Author.create({ name });
      }
      equal((await orm.Author.findOne({ where: { name } })).name, name);
      const [rows] = await orm.query("select $1 as name", { bind: [name] });
      equal(rows[0].name, name);
    }),
  );
}

async function errors(client) {
  const orm = client.conn;
  for (let i = 0; i < ROUNDS; ++i) {
    await expectError("22012", orm.query("select 1 / $1::int", { bind: [0] }));
    await expectError("42601", orm.query("selec 1"));
    await expectError("42P01", orm.query("select * from nowhere"));
    const tag = client.tag();
    equal(await orm.query("select :tag as a", { replacements: { tag }, plain: true }).then((row) => row.a), tag);
  }
}

async function bulk(client) {
  const { Author } = client.conn;
  for (let i = 0; i < 3; ++i) {
    const names = Array.from({ length: 100 }, () => client.tag()).sort();
    await Author.bulkCreate(names.map((name) => ({ name })));
    await Author.bulkCreate(names.map((name) => ({ name, score: client.number })), { updateOnDuplicate: ["score"] });
    equal(await Author.count({ where: { name: names, score: client.number } }), 100);
    const { rows, count } = await Author.findAndCountAll({ where: { name: names }, order: ["name"], limit: 10, offset: 20 });
    equal([count, rows.map((row) => row.name)], [100, names.slice(20, 30)]);
    equal(await Author.destroy({ where: { name: names } }), 100);
  }
}

// All clients want the same authors.
async function find_or_create(client) {
  const { Author } = client.conn;
  for (let n = 0; n < ROUNDS; ++n) {
    const [author] = await Author.findOrCreate({ where: { name: `shared ${n}` } });
    await author.increment("score");
  }
  await client.barrier();
  const found = await Author.findAll({ where: { name: { [Op.startsWith]: "shared " } } });
  equal(found.map((author) => author.score), Array(ROUNDS).fill(20));
}

// The driver sends SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE, which PostgreSQL shows in this way.
async function time_zone(client) {
  for (let i = 0; i < ROUNDS; ++i) {
    equal((await client.conn.query("show timezone", { plain: true })).TimeZone, "<+00>-00");
  }
}

start(async () => {
  const orm = connect();
  await orm.authenticate();
  await orm.sync();
  await orm.close();
  await runChecks("sequelize", connect, (c) => c.close(), [
    schema, create_read_update_delete, transactions, at_the_same_time, errors, bulk, find_or_create, time_zone,
  ]);
});
