"""A configuration of nginx for this installation: files by nginx, everything else by Mezzotint.

What has a canonical name that only ever means these bytes is sent straight from the cache's directory. For the rest
nginx asks Mezzotint, which answers with the place of a file where it has one (X-Accel-Redirect). A file that has gone
meanwhile is asked for again, and made again.
"""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import indent

from mezzotint.cache.hits import FORMAT
from mezzotint.delivery.answer import COMMON
from mezzotint.delivery.respond import CACHE, STORE, nginx_word
from mezzotint.errors import InvalidInput
from mezzotint.front.spelling import spelled
from mezzotint.names import FORMATS, OUTPUTS
from mezzotint.settings import Settings
from mezzotint.sources.coverart.asking import ID, SIZES
from mezzotint.sources.coverart.keeping import MEDIA

_RATE, _BURST = 1000, 10_000
"""requests of one client that Mezzotint is asked, in a second, and at once. What they cost has limits there"""
_TLS = """\
# For TLS, instead of the line above, and with MEZZOTINT_PUBLIC_URL=https://...:
# listen 443 ssl;
# ssl_certificate /etc/ssl/pictures.example/fullchain.pem;
# ssl_certificate_key /etc/ssl/pictures.example/key.pem;
# ssl_protocols TLSv1.2 TLSv1.3;
# ssl_session_cache shared:mezzotint_tls:10m;
"""
_FROM_MEZZOTINT = (
    "X-Cache-Status", "X-Image-Ident", "X-Remote-Record", "ETag", "Link", "Vary", "Content-Security-Policy",
)  # fmt: skip
"""headers that an X-Accel-Redirect would lose"""
_DEEP = "(?<c>(?<b>(?<a>[0-9a-f])[0-9a-f])[0-9a-f])"
_IMAGE = f"^/images/(?<name>{_DEEP}[0-9a-f]{{61}}[.-][A-Za-z0-9.-]+)$"
_COVER = (
    f"^/release/(?<name>{_DEEP}[0-9a-f]{{5}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})"
    f"/(?<picture>{ID.pattern}(?:-(?:{'|'.join(map(str, SIZES))}))?)(?:\\.[A-Za-z0-9]{{1,5}})?$"
)


def whole(settings: Settings, listen: str, user: str | None) -> str:
    """All that `nginx -c` needs. `user` is who its workers run as, where whoever starts it is root."""
    own = settings.nginx
    temporary = "\n".join(
        f"    {kind}_temp_path {_quoted(own / kind)};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
# made by `mezzotint nginx-config`
{f"user {user};" if user else "# started by root, it wants `user` to be whoever may read Mezzotint's files"}
worker_processes auto;
pcre_jit on;
worker_rlimit_nofile 65536;
pid {_quoted(own / "nginx.pid")};
error_log {_quoted(own / "error.log")} warn;

events {{
    worker_connections 8192;
}}

http {{
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    server_tokens off;
    access_log off;
    default_type application/octet-stream;
{temporary}

{indent(site(settings, listen), "    ")}}}
"""


def site(settings: Settings, listen: str) -> str:
    """What goes into the `http` block of an nginx that serves other sites too."""
    host, port = settings.bind
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  where it listens everywhere
    locations = [_internal(CACHE, settings.cache)]
    if settings.store_directory is not None:
        locations.append(_internal(STORE, settings.store_directory))
    direct = settings.public_bytes and settings.hosts is None  # whose requests nobody but nginx looks at
    if direct and settings.renditions == "any":
        media = {str(name): FORMATS[name].media_type for name in OUTPUTS}
        locations.append(_direct(settings, _IMAGE, ["native/$a/$b/$c/$name"], media))
    if direct:
        covers = [f"release/$a/$b/$c/$name-$picture.{extension}" for extension in MEDIA]
        locations.append(_direct(settings, _COVER, covers, MEDIA))
    return f"""\
log_format mezzotint_hits '{FORMAT}';

{_zones(settings)}
upstream mezzotint {{
    server {f"[{host}]" if ":" in host else host}:{port};
    keepalive 128;
    keepalive_requests 1000000;
}}

server {{
    listen {listen};
{indent(_TLS, "    ")}    root {_quoted(settings.cache)};
{indent(_limits(settings), "    ")}    client_max_body_size {(settings.max_upload >> 20) + 1}m;
    open_file_cache max=50000 inactive=60s;
    open_file_cache_valid 2s;

    proxy_http_version 1.1;
    # a body goes on as it comes: Mezzotint refuses a stranger's before it is here, and has deadlines of its own
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_read_timeout 300s;
{indent(_asked_for(nginx_word(settings.secret_key)), "    ")}
    location / {{
        limit_req zone=mezzotint_requests burst={_BURST} nodelay;
        proxy_pass http://mezzotint;
    }}

    location @mezzotint {{
        limit_req zone=mezzotint_requests burst={_BURST} nodelay;
        proxy_pass http://mezzotint;
    }}

    # the file was there a moment ago
    location @mezzotint_again {{
        proxy_pass http://mezzotint$request_uri;
{indent(_asked_for(None), "        ")}    }}

{indent(chr(10).join(locations), "    ")}}}
"""


def _zones(settings: Settings) -> str:
    return f"""\
# who is counted: everybody but proxies that are trusted
geo $mezzotint_is_proxy {{
    default 0;
{"".join(f"    {network} 1;{chr(10)}" for network in settings.trusted_proxies)}}}
map $mezzotint_is_proxy $mezzotint_client {{
    0 $binary_remote_addr;
    1 "";
}}
limit_conn_zone $mezzotint_client zone=mezzotint_connections:10m;
limit_req_zone $mezzotint_client zone=mezzotint_requests:10m rate={_RATE}r/s;
"""


def _limits(settings: Settings) -> str:
    proxies = "".join(f"set_real_ip_from {network};\n" for network in settings.trusted_proxies)
    return f"""\
# whom a proxy before this one names, where it is trusted
{proxies}set_real_ip_from unix:;
real_ip_header X-Forwarded-For;
real_ip_recursive on;
client_header_timeout 10s;
client_body_timeout 20s;
send_timeout 20s;
reset_timedout_connection on;
large_client_header_buffers 4 16k;
limit_conn mezzotint_connections {settings.max_connections_per_client};
limit_conn_status 429;
limit_req_status 429;
"""


def _asked_for(word: str | None) -> str:
    """Headers that Mezzotint is asked with; by the `word` it is known that files are sent here. (Those of a block
    replace all of the block around it.)"""
    asked = {
        "Host": "$http_host",
        "Connection": '""',
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
        "X-Request-Id": "$request_id",
        "X-Sendfile-Type": word or '""',
        "X-Sendfile-Lost": '""' if word else "1",
    }
    return "".join(f"proxy_set_header {name} {value};\n" for name, value in asked.items())


def _direct(settings: Settings, pattern: str, files: list[str], media: dict[str, str]) -> str:
    types = " ".join(f"{media_type} {extension};" for extension, media_type in media.items())
    tried = " ".join(f"/{file}" for file in files)
    return f"""\
location ~ "{pattern}" {{
    types {{ {types} }}
    try_files {tried} @mezzotint;
    error_page 405 = @mezzotint;
    if ($args ~ download=) {{ return 405; }}  # it says how the file is called
    access_log {_quoted(settings.nginx / "hits.log")} mezzotint_hits buffer=64k flush=2s;
    add_header Cache-Control "public, max-age=31536000, immutable";
    add_header X-Cache-Status HIT;
{indent(_common(), "    ")}}}
"""


def _internal(place: str, directory: Path) -> str:
    said = "".join(
        f"    add_header {name} $upstream_http_{name.lower().replace('-', '_')};\n" for name in _FROM_MEZZOTINT
    )
    return f"""\
location {place} {{
    internal;
    alias {_quoted(directory)[:-1]}/";
    etag off;
    add_header Cache-Control $upstream_http_x_cache_control;
    error_page 403 404 = @mezzotint_again;
{said}{indent(_common(), "    ")}}}
"""


def _common() -> str:
    given = [("X-Served-By", "nginx-cache"), *((spelled(name).decode(), value.decode()) for name, value in COMMON)]
    said = "".join(f'add_header {name} "{value}";\n' for name, value in given)
    return f"{said}add_header X-Request-Id $request_id always;\n"


def _quoted(path: Path) -> str:
    """Raises InvalidInput for what nginx would take for a variable."""
    text = os.fspath(path)
    if "$" in text:
        raise InvalidInput(
            "path", f"{text!r} has a $ in it, which nginx cannot have", "MEZZOTINT_DATA, _CACHE_DIR, _STORE"
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
