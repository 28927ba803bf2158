"""Django over psycopg2 with its defaults: autocommit, a connection for each request, server-side cursors that outlive
transactions for iterator(), SET TIME ZONE after each connect."""

import datetime
import os

import django
from django.apps import AppConfig
from django.conf import settings


class Library(AppConfig):
    name = "__main__"
    label = "library"
    path = os.path.dirname(__file__)


settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            **{key: os.environ["PG" + key] for key in ("USER", "PASSWORD", "HOST", "PORT")},
            "NAME": os.environ["PGDATABASE"],
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "__main__.Library"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    TIME_ZONE="America/Lima",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import Group, Permission, User
from django.contrib.postgres.fields import ArrayField
from django.core.management import call_command
from django.db import connection, connections, models, transaction
from django.db.models import Count, F

from checks import PATIENCE, ROUNDS, Threads, equal, expect_error, settings_of, true


class Author(models.Model):
    name = models.TextField(unique=True)
    born = models.DateTimeField(null=True)
    tags = ArrayField(models.TextField(), default=list)
    extra = models.JSONField(null=True)
    score = models.IntegerField(default=0)

    class Meta:
        app_label = "library"


class Book(models.Model):
    title = models.TextField()
    author = models.ForeignKey(Author, related_name="books", on_delete=models.CASCADE)

    class Meta:
        app_label = "library"
        ordering = ["title"]


BORN = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)


def sql_value(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


def create_read_update_delete(client):
    for _ in range(ROUNDS):
        name = client.tag()
        made = Author.objects.create(name=name, born=BORN, tags=[name, "x"], extra={"name": name})
        titles = sorted(client.tag() for _ in range(3))
        for title in titles:
            made.books.create(title=title)
        found = Author.objects.prefetch_related("books").get(name=name)
        equal((found.born, found.tags, found.extra), (BORN, [name, "x"], {"name": name}))
        equal([book.title for book in found.books.all()], titles)
        equal(Book.objects.select_related("author").get(title=titles[0]).author.name, name)
        Author.objects.filter(name=name).update(score=F("score") + 5)
        equal(Author.objects.annotate(n=Count("books")).values_list("n", "score").get(name=name), (3, 5))
        found.delete()
        equal(Book.objects.filter(title__in=titles).count(), 0)


def get_or_create(client):
    """All clients want the same authors."""
    for n in range(ROUNDS):
        found, _ = Author.objects.get_or_create(name=f"shared {n}")
        Author.objects.filter(pk=found.pk).update(score=F("score") + 1)
        Author.objects.update_or_create(name=f"shared {n}", defaults={"extra": {"last": client.number}})
    client.barrier.wait(PATIENCE)
    equal(Author.objects.filter(name__startswith="shared ").count(), ROUNDS)
    equal(set(Author.objects.filter(name__startswith="shared ").values_list("score", flat=True)), {20})


def transactions(client):
    for _ in range(ROUNDS):
        name, lost = client.tag(), client.tag()
        with transaction.atomic():
            Author.objects.create(name=name)
            with expect_error("23505"):
                with transaction.atomic():
                    Author.objects.create(name=lost)
                    Author.objects.create(name=name)
            equal(Author.objects.filter(name=lost).count(), 0)
        try:
            with transaction.atomic():
                Author.objects.create(name=lost)
                raise KeyError
        except KeyError:
            pass
        equal(list(Author.objects.filter(name__in=[name, lost]).values_list("name", flat=True)), [name])


def locks(client):
    """select_for_update: no update is lost."""
    with transaction.atomic():
        Author.objects.get_or_create(name="counter")
    for _ in range(3):
        with transaction.atomic():
            locked = Author.objects.select_for_update().get(name="counter")
            locked.score += 1
            locked.save(update_fields=["score"])
    client.barrier.wait(PATIENCE)
    equal(Author.objects.get(name="counter").score, 60)


def errors(client):
    for _ in range(ROUNDS):
        with expect_error("22012"):
            sql_value("select 1 / %s", 0)
        with expect_error("42601"):
            sql_value("selec 1")
        with expect_error("42P01"):
            sql_value("select * from nowhere")
        tag = client.tag()
        equal(sql_value("select %s", tag), tag)


def bulk(client):
    for _ in range(3):
        names = sorted(client.tag() for _ in range(100))
        made = Author.objects.bulk_create([Author(name=name) for name in names], batch_size=30)
        for author in made:
            author.score = client.number
        Author.objects.bulk_update(made, ["score"], batch_size=40)
        equal(Author.objects.filter(pk__in=[a.pk for a in made], score=client.number).count(), 100)
        Author.objects.filter(name__in=names).delete()


def iterators(client):
    """DECLARE ... WITH HOLD: the cursor is used in autocommit, statement by statement."""
    tag = client.tag()
    Author.objects.bulk_create([Author(name=f"{tag} {n:03}") for n in range(120)])
    for _ in range(3):
        rows = Author.objects.filter(name__startswith=f"{tag} ").order_by("name").iterator(chunk_size=25)
        got = []
        for author in rows:
            got.append(author.name)
            if len(got) % 50 == 1:
                equal(sql_value("select %s", author.name), author.name)
        equal(got, [f"{tag} {n:03}" for n in range(120)])
    with transaction.atomic():
        rows = Author.objects.filter(name__startswith=f"{tag} ").iterator(chunk_size=25)
        equal(len(list(rows)), 120)


def time_zone(client):
    for _ in range(ROUNDS):
        equal(sql_value("show timezone"), "UTC")


def users_and_groups(client):
    """An application that comes with Django."""
    for _ in range(3):
        name = client.tag()
        user = User.objects.create_user(name, password=name)
        group = Group.objects.create(name=name)
        group.permissions.set(Permission.objects.filter(codename__in=["add_user", "change_user"]))
        user.groups.add(group)
        user = User.objects.get(username=name)
        true(user.check_password(name) and user.has_perm("auth.add_user"), "the user has lost something")
        true(not user.has_perm("auth.delete_user"), "the user has got something")
        equal([g.name for g in user.groups.all()], [name])
        user.delete()


def requests(client):
    """A connection for each request."""
    for _ in range(5):
        tag = client.tag()
        equal(sql_value("select %s", tag), tag)
        connection.close()


def session_settings(client):
    wanted = settings_of(client)
    del wanted["timezone"], wanted["search_path"]
    with connection.cursor() as cursor:
        for name in wanted:
            cursor.execute(f"set {name} = '{wanted[name]}'")
    client.barrier.wait(PATIENCE)
    for _ in range(ROUNDS):
        equal({name: sql_value(f"show {name}") for name in wanted}, wanted)
    client.barrier.wait(PATIENCE)


def schema(client):
    """As migrations do it: create, alter, rename, drop, in transactions."""

    class Thing(models.Model):
        label = models.TextField()

        class Meta:
            app_label = f"things{client.number}"

    extra = models.IntegerField(default=7, db_index=True)
    extra.set_attributes_from_name("extra")
    with connection.schema_editor() as editor:
        editor.create_model(Thing)
    Thing.objects.create(label=client.tag())
    with connection.schema_editor() as editor:
        editor.add_field(Thing, extra)
    equal(sql_value(f"select extra from {Thing._meta.db_table}"), 7)
    with connection.cursor() as cursor:
        names = [column.name for column in connection.introspection.get_table_description(cursor, Thing._meta.db_table)]
    equal(names, ["id", "label", "extra"])
    with connection.schema_editor() as editor:
        editor.delete_model(Thing)


def main():
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)
    connections.close_all()
    # Django gives each thread a connection of its own, and a check has its own threads.
    threads = Threads("django", lambda client: connection, lambda conn: connections.close_all())
    for check in (
        create_read_update_delete, get_or_create, transactions, locks, errors, bulk, iterators, time_zone,
        users_and_groups, requests, session_settings, schema,
    ):
        threads.check(closing(check))
    threads.end()


def closing(check):
    def run(client):
        try:
            check(client)
        finally:
            connections.close_all()

    run.__name__ = check.__name__
    return run


main()
