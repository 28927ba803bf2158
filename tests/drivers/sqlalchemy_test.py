"""SQLAlchemy over psycopg2 and over asyncpg, each with the defaults: its ORM, its pool, its look at the schema."""

import asyncio
import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, declarative_base, relationship, selectinload
from sqlalchemy.pool import NullPool

from checks import PATIENCE, ROUNDS, Threads, equal, expect_error, true

Base = declarative_base()


class Author(Base):
    __tablename__ = "authors"
    id = sa.Column(sa.BigInteger, sa.Identity(), primary_key=True)
    name = sa.Column(sa.Text, nullable=False, unique=True)
    born = sa.Column(sa.DateTime(timezone=True))
    tags = sa.Column(ARRAY(sa.Text))
    extra = sa.Column(JSONB)
    books = relationship("Book", back_populates="author", order_by="Book.title", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "books"
    id = sa.Column(sa.BigInteger, sa.Identity(), primary_key=True)
    title = sa.Column(sa.Text, nullable=False)
    author_id = sa.Column(sa.ForeignKey("authors.id"), nullable=False)
    author = relationship("Author", back_populates="books")


BORN = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)


def author(client):
    name = client.tag()
    return Author(name=name, born=BORN, tags=[name, "x"], extra={"name": name})


def titles(client, count):
    return sorted(client.tag() for _ in range(count))


def schema(client):
    """Each client makes, inspects and drops tables of its own, through an engine of its own."""
    engine = sa.create_engine("postgresql://")
    metadata = sa.MetaData()
    name = f"made{client.number}"
    sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("t", sa.Text, index=True))
    metadata.create_all(engine)
    inspector = sa.inspect(engine)
    true(name in inspector.get_table_names(), "the table is missing")
    equal([column["name"] for column in inspector.get_columns(name)], ["id", "t"])
    equal(len(inspector.get_indexes(name)), 1)
    metadata.drop_all(engine)
    true(not sa.inspect(engine).has_table(name), "the table is still there")
    engine.dispose()


def create_read_update_delete(client):
    for _ in range(ROUNDS):
        with Session(client.conn) as session:
            made = author(client)
            names = titles(client, 3)
            made.books = [Book(title=title) for title in names]
            session.add(made)
            session.commit()
            key, name = made.id, made.name
        with Session(client.conn) as session:
            found = session.get(Author, key, options=[selectinload(Author.books)])
            equal((found.name, found.born, found.tags, found.extra), (name, BORN, [name, "x"], {"name": name}))
            equal([book.title for book in found.books], names)
            found.books.pop()
            found.extra = {"changed": name}
            session.commit()
            equal((len(found.books), found.extra), (2, {"changed": name}))
            session.delete(found)
            session.commit()
            equal(session.query(Book).join(Author).filter(Author.name == name).count(), 0)


def transactions(client):
    for _ in range(ROUNDS):
        name = client.tag()
        with Session(client.conn) as session:
            session.add(Author(name=name))
            session.flush()
            session.rollback()
            equal(session.query(Author).filter_by(name=name).count(), 0)
            kept = author(client)
            session.add(kept)
            with expect_error("23505"):
                with session.begin_nested():
                    session.execute(sa.insert(Author).values(name=name))
                    session.execute(sa.insert(Author).values(name=name))
            session.commit()
            equal(session.query(Author).filter(Author.name.in_([name, kept.name])).count(), 1)


def errors(client):
    for _ in range(ROUNDS):
        with Session(client.conn) as session:
            with expect_error("22012"):
                session.execute(sa.text("select 1 / :zero"), {"zero": 0})
            session.rollback()
            with expect_error("42601"):
                session.execute(sa.text("selec 1"))
            session.rollback()
            tag = client.tag()
            equal(session.execute(sa.select(sa.literal(tag))).scalar(), tag)


def bulk(client):
    for _ in range(3):
        names = titles(client, 100)
        with Session(client.conn) as session:
            session.bulk_save_objects([Author(name=name) for name in names[:50]], return_defaults=True)
            session.execute(sa.insert(Author), [{"name": name} for name in names[50:]])
            session.execute(insert(Author).values([{"name": names[0]}]).on_conflict_do_nothing())
            session.commit()
            found = session.execute(sa.select(Author.name).where(Author.name.in_(names)).order_by(Author.name)).scalars()
            equal(list(found), names)
            gone = session.execute(sa.delete(Author).where(Author.name.in_(names))).rowcount
            session.commit()
            equal(gone, len(names))


def streaming(client):
    """A named cursor of the server."""
    with client.conn.connect() as conn:
        for _ in range(3):
            tag = client.tag()
            query = sa.text("select :tag || n from generate_series(1, 200) n")
            got = conn.execution_options(stream_results=True, max_row_buffer=17).execute(query, {"tag": tag})
            equal([row[0] for row in got], [f"{tag}{n}" for n in range(1, 201)])


def isolation_levels(client):
    """The level is set on the session, and reset when the connection returns to SQLAlchemy's pool."""
    level = ("REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT")[client.number % 3]
    shown = {"AUTOCOMMIT": "read committed"}.get(level, level.lower())
    for _ in range(ROUNDS):
        with client.conn.connect().execution_options(isolation_level=level) as conn:
            equal(conn.execute(sa.text("show transaction_isolation")).scalar(), shown)
            equal(conn.execute(sa.select(sa.literal(client.number))).scalar(), client.number)
        with client.conn.connect() as conn:
            equal(conn.execute(sa.text("show transaction_isolation")).scalar(), "read committed")


def pool_of_sqlalchemy(client):
    """A setting stays with the connection in SQLAlchemy's pool, as without pgweir."""
    with client.conn.connect() as conn:
        conn.execute(sa.text(f"set work_mem = '{7000 + client.number}kB'"))
        conn.execute(sa.text("commit"))
    client.barrier.wait(PATIENCE)
    for _ in range(ROUNDS):
        with client.conn.connect() as conn:
            equal(conn.execute(sa.text("show work_mem")).scalar(), f"{7000 + client.number}kB")


def over_asyncpg(client):
    """An event loop for each client."""

    async def main():
        engine = create_async_engine("postgresql+asyncpg://")
        for _ in range(ROUNDS):
            async with AsyncSession(engine) as session:
                made = author(client)
                names = titles(client, 3)
                made.books = [Book(title=title) for title in names]
                session.add(made)
                await session.commit()
                await session.refresh(made)
                key, name = made.id, made.name
            async with AsyncSession(engine) as session:
                found = await session.get(Author, key, options=[selectinload(Author.books)])
                equal((found.name, found.born, found.tags, found.extra), (name, BORN, [name, "x"], {"name": name}))
                equal([book.title for book in found.books], names)
                try:
                    async with session.begin_nested():
                        await session.execute(sa.insert(Author).values(name=name))
                    raise AssertionError("the second author of this name was accepted")
                except IntegrityError:
                    pass
                await session.execute(sa.update(Author).where(Author.id == key).values(tags=[name]))
                await session.commit()
                equal((await session.execute(sa.select(Author.tags).where(Author.id == key))).scalar(), [name])
                await session.rollback()
                try:
                    await session.execute(sa.text("select 1 / :zero"), {"zero": 0})
                    raise AssertionError("a division by zero was accepted")
                except DBAPIError:
                    await session.rollback()
                got = await session.stream(sa.select(Book.title).where(Book.author_id == key).order_by(Book.title))
                equal([row[0] async for row in got], names)
        await engine.dispose()

    asyncio.run(main())


def no_pool(client):
    """A connection for each use."""
    engine = sa.create_engine("postgresql://", poolclass=NullPool)
    for _ in range(3):
        with engine.connect() as conn:
            tag = client.tag()
            equal(conn.execute(sa.select(sa.literal(tag))).scalar(), tag)


def main():
    engine = sa.create_engine("postgresql://")
    Base.metadata.create_all(engine)
    engine.dispose()
    threads = Threads("sqlalchemy", lambda client: sa.create_engine("postgresql://"), lambda made: made.dispose())
    for check in (
        schema, create_read_update_delete, transactions, errors, bulk, streaming, isolation_levels, pool_of_sqlalchemy,
        over_asyncpg, no_pool,
    ):
        threads.check(check)
    threads.end()


main()
