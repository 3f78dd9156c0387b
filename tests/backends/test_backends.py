"""The servers that other tests rely on are what they say."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import keystoneauth1.exceptions
import obstore
import psycopg
import pytest
import redis as client
import swiftclient
from keystoneauth1.identity import Password, v3
from keystoneauth1.session import Session
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

from tests import http
from tests.backends import missing_nginx, missing_postgresql, missing_redis, missing_swift
from tests.backends.identity import Identity
from tests.backends.nginx import Nginx
from tests.backends.postgresql import PostgreSQL
from tests.backends.processes import Leashed, accepts, lasting_port
from tests.backends.redis import Redis
from tests.backends.swift import SwiftCluster
from tests.waiting import PATIENCE, until

needs_swift = pytest.mark.skipif(bool(missing_swift()), reason=str(missing_swift()))
needs_postgresql = pytest.mark.skipif(bool(missing_postgresql()), reason=str(missing_postgresql()))
needs_redis = pytest.mark.skipif(bool(missing_redis()), reason=str(missing_redis()))
needs_nginx = pytest.mark.skipif(bool(missing_nginx()), reason=str(missing_nginx()))


def s3(swift: SwiftCluster, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=swift.s3_endpoint,
        access_key_id=swift.s3_access_key,
        secret_access_key=swift.s3_secret_key,
        region=swift.region,
        client_options={"allow_http": True},
    )


def login(identity: Identity, password: str, *, discovering: bool) -> Password | v3.Password:
    kind = Password if discovering else v3.Password
    return kind(
        auth_url=identity.auth_url,
        username=identity.username,
        password=password,
        user_domain_name=identity.user_domain_name,
        project_name=identity.project_name,
        project_domain_name=identity.project_domain_name,
    )


def test_what_swift_stores_it_gives_back_and_lists(swift: SwiftCluster) -> None:
    container = swift.new_container()
    with closing(swiftclient.Connection(swift.auth_url, swift.user, swift.key)) as connection:
        connection.put_object(container, "a/b", b"bytes")
        assert connection.get_object(container, "a/b")[1] == b"bytes"
        assert [entry["name"] for entry in connection.get_container(container)[1]] == ["a/b"]


def test_the_same_swift_is_an_s3(swift: SwiftCluster) -> None:
    container = swift.new_container()
    store = s3(swift, container)
    large = os.urandom(12 << 20)
    obstore.put(store, "small", b"bytes", mode="create")
    obstore.put(store, "large", large)
    assert obstore.get(store, "large").bytes() == large
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "small", b"others", mode="create")
    with closing(swiftclient.Connection(swift.auth_url, swift.user, swift.key)) as connection:
        assert connection.get_object(container, "small")[1] == b"bytes"


def test_a_wrong_key_is_refused(swift: SwiftCluster) -> None:
    with pytest.raises(swiftclient.ClientException, match="401"):
        swiftclient.client.get_auth(swift.auth_url, swift.user, "wrong")


@pytest.mark.parametrize("discovering", [True, False])
def test_a_login_at_identity_opens_swift(swift: SwiftCluster, identity: Identity, discovering: bool) -> None:
    container = swift.new_container()
    with closing(Session(login(identity, identity.password, discovering=discovering))) as session:
        with closing(swiftclient.Connection(session=session)) as connection:
            connection.put_object(container, "a", b"bytes")
            assert connection.get_object(container, "a")[1] == b"bytes"
        assert session.get_endpoint(service_type="object-store", region_name=swift.region) == swift.storage_url


def test_identity_refuses_a_wrong_password(identity: Identity) -> None:
    with pytest.raises(keystoneauth1.exceptions.Unauthorized):
        Session(login(identity, "wrong", discovering=False)).get_token()


def test_a_paused_proxy_does_not_answer_and_a_resumed_one_does(breakable_swift: SwiftCluster) -> None:
    breakable_swift.pause()
    with pytest.raises(httpx.ReadTimeout):
        http.get(breakable_swift.auth_url, timeout=0.2)
    breakable_swift.resume()
    assert breakable_swift.token()


def test_a_killed_proxy_refuses_and_a_restarted_one_has_what_was_stored(breakable_swift: SwiftCluster) -> None:
    store = s3(breakable_swift, breakable_swift.new_container())
    obstore.put(store, "a", b"bytes")
    breakable_swift.kill()
    with pytest.raises(httpx.ConnectError):
        http.get(breakable_swift.auth_url)
    breakable_swift.restart()
    assert obstore.get(store, "a").bytes() == b"bytes"


def test_postgresql_answers(postgresql: PostgreSQL) -> None:
    with psycopg.connect(postgresql.new_database()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)


@needs_postgresql
@pytest.mark.parametrize("immediate", [False, True])
def test_a_restarted_postgresql_has_what_was_committed(tmp_path: Path, immediate: bool) -> None:
    server = PostgreSQL.start(tmp_path)
    try:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        server.restart(immediate=immediate)
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
    finally:
        server.stop()
    assert not server.data.exists() or server.data.is_relative_to(tmp_path)
    assert not accepts(server.port)


STARTER = """
import os, signal, sys
from pathlib import Path
from tests.backends.postgresql import PostgreSQL
from tests.backends.redis import Redis
from tests.backends.swift import SwiftCluster

kind = {"swift": SwiftCluster, "postgresql": PostgreSQL, "redis": Redis}[sys.argv[1]]
print(kind.start(Path(sys.argv[2])).port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("swift", marks=needs_swift),
        pytest.param("postgresql", marks=needs_postgresql),
        pytest.param("redis", marks=needs_redis),
    ],
)
def test_servers_end_with_the_process_they_were_started_for(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", STARTER, kind, str(tmp_path)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert until(lambda: not accepts(int(answer.stdout)))


def test_a_server_ends_when_its_leash_is_killed(tmp_path: Path) -> None:
    leashed = Leashed.start(["sleep", "60"], owner=os.getpid(), log=tmp_path / "log")
    server = os.pidfd_open(leashed.server)
    try:
        os.kill(leashed.leash, 9)
        watch = select.poll()
        watch.register(server, select.POLLIN)
        assert watch.poll(10_000)
    finally:
        os.close(server)


def test_every_database_of_redis_is_empty_and_apart(redis: Redis) -> None:
    first, second = (client.Redis.from_url(redis.database()) for _ in range(2))
    with closing(first), closing(second):
        first.set("a", "1")
        assert (first.dbsize(), second.dbsize()) == (1, 0)


def test_a_paused_redis_does_not_answer_and_a_resumed_one_does(breakable_redis: Redis) -> None:
    breakable_redis.pause()
    with breakable_redis.client(seconds=0.2) as hurried, pytest.raises(client.TimeoutError):
        hurried.ping()
    breakable_redis.resume()
    with breakable_redis.client() as patient:
        assert patient.ping()


@pytest.mark.parametrize("empty", [True, False])
def test_a_killed_redis_refuses_and_a_restarted_one_has_nothing_unless_told(
    breakable_redis: Redis, empty: bool
) -> None:
    with breakable_redis.client() as connected:
        connected.set("a", "1")
        breakable_redis.restart(empty)
        assert connected.get("a") == (None if empty else b"1")
        breakable_redis.kill()
        with pytest.raises(client.ConnectionError):
            connected.ping()
        breakable_redis.restart()
        assert connected.dbsize() == 0


def test_a_redis_that_falls_back_has_what_was_saved_and_nothing_later(breakable_redis: Redis) -> None:
    with breakable_redis.client() as connected:
        connected.set("a", "1")
        breakable_redis.save()
        connected.set("a", "2")
        connected.set("b", "2")
        breakable_redis.fall_back()
        assert (connected.get("a"), connected.get("b")) == (b"1", None)
        breakable_redis.fall_back()
        assert connected.dbsize() == 0


@needs_redis
def test_a_redis_is_as_its_options_say(tmp_path: Path) -> None:
    server = Redis.start(tmp_path / "here", None, "--maxmemory", "3mb")
    try:
        with server.client() as connected:
            assert connected.config_get("maxmemory") == {"maxmemory": str(3 << 20)}
    finally:
        server.stop()
    assert not accepts(server.port)


NGINX = """
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; scgi_temp_path s; uwsgi_temp_path u;
    server { listen 127.0.0.1:%(port)d; location / { return 200 "%(text)s"; } }
}
"""


@needs_nginx
def test_an_nginx_is_reloaded_restarted_and_killed(tmp_path: Path) -> None:
    port = lasting_port()
    server = Nginx.start(tmp_path / "nginx", NGINX % {"port": port, "text": "first"}, port)
    try:
        assert http.get(server.url).text == "first"
        server.reload(NGINX % {"port": port, "text": "second"})
        assert http.get(server.url).text == "second"
        with pytest.raises(AssertionError, match="unknown directive"):
            server.reload("nonsense;")
        assert http.get(server.url).text == "second"
        server.kill()
        with pytest.raises(httpx.ConnectError):
            http.get(server.url)
        server.restart(NGINX % {"port": port, "text": "third"})
        assert http.get(server.url).text == "third"
    finally:
        server.stop()
    assert not accepts(port)
