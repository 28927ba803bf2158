"""The private PostgreSQL and the peers that stand before it. All listen on free ports of 127.0.0.1."""

import os
import shlex
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers import ROOT, Failed, as_postgres, free_port, newest_postgres, stop

PASSWORD = "bench-password"
POOL_SIZE = 20
TEMPLATES = Path(__file__).resolve().parent / "peers"
SETUP = """
create role bench superuser login;
create role secret superuser login password 'bench-password';
create database bench owner bench;
do $$ begin for i in 0 .. 199 loop execute 'create role bench_' || i || ' login'; end loop; end $$;
"""
USERS = 200


@dataclass
class Peer:
    name: str
    command: str  # {config} stands for the file; empty: PostgreSQL itself
    template: Path = None
    as_root: bool = True  # may run as root

    def pools(self):
        return self.name not in ("direct", "haproxy")


@dataclass
class Running:
    name: str
    port: int
    pid: int = None
    idle_pss: int = 0


def standard_peers(pgweir):
    found = {"direct": Peer("direct", ""),
             "pgweir": Peer("pgweir", f"{pgweir} --config {{config}}", TEMPLATES / "pgweir.toml")}
    for name, arguments, template in (("pgbouncer", "-q {config}", "pgbouncer.ini"),
                                      ("haproxy", "-q -f {config}", "haproxy.cfg")):
        binary = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
        if binary:
            found[name] = Peer(name, f"{binary} {arguments}", TEMPLATES / template, name != "pgbouncer")
    return found


def accepts(port):
    with socket.socket() as it:
        it.settimeout(1)
        return it.connect_ex(("127.0.0.1", port)) == 0


class Machine:
    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="pgweir-run-"))
        self.directory.chmod(0o755)
        self.postgres = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.postgres is not None:
            stop(self.postgres, signal.SIGINT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        binaries, data = newest_postgres(), self.directory / "data"
        key, certificate = self.directory / "server.key", self.directory / "server.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out",
                        str(certificate)], check=True, stderr=subprocess.DEVNULL)
        key.chmod(0o600)
        if os.geteuid() == 0:
            for it in (self.directory, key, certificate):
                shutil.chown(it, "postgres", "postgres")
        subprocess.run(as_postgres() + [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust",
                                        "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=self.directory)
        (data / "pg_hba.conf").write_text("host all secret 127.0.0.1/32 scram-sha-256\n"
                                          "host all all 127.0.0.1/32 trust\n")
        self.postgres_port = free_port()
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.directory, "fsync": "off",
                    "synchronous_commit": "off", "max_connections": 700, "shared_buffers": "128MB", "ssl": "on",
                    "ssl_key_file": key, "ssl_cert_file": certificate, "autovacuum": "off",
                    "max_wal_size": "4GB", "checkpoint_timeout": "1h"}
        arguments = [word for it in settings.items() for word in ("-c", f"{it[0]}={it[1]}")]
        with (self.directory / "postgres.log").open("w") as log:
            self.postgres = subprocess.Popen(
                as_postgres() + [str(binaries / "postgres"), "-D", str(data), "-p", str(self.postgres_port)] +
                arguments, cwd=self.directory, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        self.until_answers(self.postgres, self.postgres_port, "postgres", "PostgreSQL")
        for statement in SETUP.strip().split("\n"):
            self.psql(self.postgres_port, statement, user="postgres", database="postgres")
        # What PostgreSQL keeps of the password, so that no peer has to compute it at each login.
        self.verifier = self.psql(self.postgres_port, "select rolpassword from pg_authid where rolname = 'secret'").strip()
        users = [("bench", ""), ("secret", self.verifier)] + [(f"bench_{i}", "") for i in range(USERS)]
        (self.directory / "pgbouncer_users").write_text("".join(f'"{name}" "{it}"\n' for name, it in users))
        self.psql(self.postgres_port, "create unlogged table bulk (line text)")
        self.pgbench(self.postgres_port, ["-i", "-q", "-s", "5"])

    def environment(self, tls):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return kept | {"PGPASSWORD": PASSWORD, "PGSSLMODE": "require" if tls else "disable", "PGCONNECT_TIMEOUT": "30"}

    def program(self, name, port, arguments, user="bench", tls=False, timeout=180, **more):
        """What it printed."""
        done = subprocess.run([str(newest_postgres() / name), "-h", "127.0.0.1", "-p", str(port), "-U", user,
                               *arguments], env=self.environment(tls), capture_output=True, text=True,
                              timeout=timeout, **more)
        if done.returncode != 0:
            raise Failed(f"{name}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def pgbench(self, port, arguments, **more):
        return self.program("pgbench", port, [*arguments, "bench"], **more)

    def psql(self, port, statement, user="bench", database="bench"):
        return self.program("psql", port, ["-XqAt", "-d", database, "-c", statement], user=user)

    def until_answers(self, process, port, user, what):
        said = ""
        for _ in range(200):
            if process.poll() is not None:
                break
            try:
                database = "postgres" if user == "postgres" else "bench"
                return self.psql(port, "select 1", user, database)
            except Failed as failure:
                said = str(failure)
                time.sleep(0.05)
        log = self.directory / f"{what.lower()}.log"
        raise Failed(f"{what} did not start: {log.read_text()[-500:]} {said}")

    @contextmanager
    def started(self, peer, workers=1, auth="trust", pool_size=POOL_SIZE, under=()):
        """The peer, freshly started, while the block runs; `under`: a program and its arguments that runs it."""
        if not peer.command:
            yield Running(peer.name, self.postgres_port)
            return
        port, config = free_port(), self.directory / f"{peer.name}.config"
        config.write_text(string.Template(peer.template.read_text()).substitute(
            port=port, postgres_port=self.postgres_port, directory=self.directory, workers=workers, auth=auth,
            pool_size=pool_size, password=self.verifier))
        words = shlex.split(peer.command if "{config}" in peer.command else peer.command + " {config}")
        command = [word.replace("{config}", str(config)) for word in words]
        with (self.directory / f"{peer.name}.log").open("w") as log:
            process = subprocess.Popen((as_postgres() if not peer.as_root else []) + [*under, *command], stdout=log, stderr=log,
                                       cwd=self.directory, start_new_session=True)
        try:
            self.until_answers(process, port, "secret" if auth != "trust" else "bench", peer.name)
            yield Running(peer.name, port, process.pid)
        finally:
            stop(process, signal.SIGTERM, 30 if under else 3)
