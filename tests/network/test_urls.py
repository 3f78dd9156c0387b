"""One picture's address, one spelling; and the addresses that must be refused."""

from __future__ import annotations

import hashlib
import ipaddress
import string
from random import Random
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from mezzotint.errors import InvalidInput
from mezzotint.network.urls import Url, as_meant, parse_url

UNRESERVED = string.ascii_letters + string.digits + "-._~"
RESERVED_ESCAPES = ["%2F", "%2B", "%3D", "%26", "%3F", "%23", "%25", "%20", "%0D", "%00", "%C3%A4", "%FF"]
LONGEST = 4096

CANONICAL = {
    "HTTP://Example.COM": "http://example.com/",
    "https://EXAMPLE.com/CaSe?CaSe": "https://example.com/CaSe?CaSe",
    "http://example.com:80/a": "http://example.com/a",
    "https://example.com:443/a": "https://example.com/a",
    "http://example.com:443/a": "http://example.com:443/a",
    "https://example.com:80/a": "https://example.com:80/a",
    "http://example.com:/a": "http://example.com/a",
    "http://example.com:0080/a": "http://example.com/a",
    "http://example.com:08080/a": "http://example.com:8080/a",
    "http://example.com./a": "http://example.com/a",
    "http://example.com.:8080/a": "http://example.com:8080/a",
    "  http://example.com/a  ": "http://example.com/a",
    "http://example.com/a#fragment": "http://example.com/a",
    "http://example.com#@evil.example/": "http://example.com/",
    "http://example.com?a": "http://example.com/?a",
    "http://example.com?@evil.example/": "http://example.com/?@evil.example/",
    "http://example.com/a/./b/../c": "http://example.com/a/c",
    "http://example.com/a/b/.": "http://example.com/a/b/",
    "http://example.com/a/b/..": "http://example.com/a/",
    "http://example.com/../../a": "http://example.com/a",
    "http://example.com/a//b///c/": "http://example.com/a//b///c/",
    "http://example.com/a//../b": "http://example.com/a/b",
    "http://example.com/..//a": "http://example.com//a",
    "http://example.com/...": "http://example.com/...",
    "http://example.com/.a/b./..c": "http://example.com/.a/b./..c",
    "http://example.com/a/%2e%2E/b/%2E/c": "http://example.com/b/c",
    "http://example.com/%7euser/%41%2d%5f": "http://example.com/~user/A-_",
    "http://example.com/a%2fb%3fc%c3%a4": "http://example.com/a%2Fb%3Fc%C3%A4",
    "http://example.com/\u00e4\u4e2d": "http://example.com/%C3%A4%E4%B8%AD",
    "http://example.com/a;v=1,2:@!$&'()*+=": "http://example.com/a;v=1,2:@!$&'()*+=",
    "http://example.com/?a=/../b/./c": "http://example.com/?a=/../b/./c",
    "http://B\u00dcCHER.example/": "http://xn--bcher-kva.example/",
    "http://xn--bcher-kva.example/": "http://xn--bcher-kva.example/",
    "http://fa\u00df.example/": "http://xn--fa-hia.example/",
    "http://\uff45xample\uff0ecom/": "http://example.com/",
    "http://example\u3002com\uff61/": "http://example.com/",
    "http://192.0.2.7./": "http://192.0.2.7/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/": "http://127.0.0.1/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/": "http://127.0.0.1/",
    "http://[2001:DB8:0:0:0:0:0:1]:80/": "http://[2001:db8::1]/",
    "http://[2001:db8::0001]:8080/": "http://[2001:db8::1]:8080/",
}  # fmt: skip

UNCHANGED = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330d",
    "sv=2022-11-02&st=2024-01-01T00%3A00%3A00Z&sp=r&sig=a%2Bb%2Fc%3D%3D",
    "Expires=1700000000&Signature=a~b-c_d__&Key-Pair-Id=APKA", "b=2&a=1&b=1&&c&=d&e=", "a+b=c%20d", "a?b/c:d@e",
    "url=https%3A%2F%2Fexample.com%2F%3Fa%3D1%26b%3D2", "~token=exp=1~acl=/*~hmac=00", "!$'()*,;",
]  # fmt: skip

NO_ADDRESSES = [
    "", "   ", "a", "/a", "example.com/a", "//example.com/a", "http:", "http:a", "http:/example.com/a", "http://",
    "http:///a", "https://:443/", "http://?a", "http://#a", "http://./", "http://../", "ftp://example.com/a",
    "file:///etc/passwd", "file://example.com/a", "gopher://example.com/_GET", "data:image/png;base64,AA==",
    "javascript:alert(1)", "jar:http://example.com!/", "ws://example.com/", "http+unix://socket/",
    "\uff48ttp://example.com/", "http\uff1a//example.com/", "h%74tp://example.com/", "url:http://example.com/",
]  # fmt: skip
USERS = [
    "http://user@example.com/", "http://user:secret@example.com/", "http://@example.com/", "http://:@example.com/",
    "http://example.com:80@evil.example/", "http://a@b@example.com/", "http://user%40example.com/",
    "http://user%3Asecret@example.com/", "http://user\uff20example.com/", "http://example.com&@evil.example#@x/",
]  # fmt: skip
NUMBERS = [
    "0", "1", "127", "2130706433", "4294967296", "017700000001", "0x7f000001", "0X7F000001", "0x", "127.1", "127.0.1",
    "10.1", "0x7f.1", "0x7f.0.0.1", "127.0.0.0x1", "0177.0.0.1", "127.0.0.01", "127.0.0.1.1", "1.2.3.256", "1.2.3",
    "1.2.3.4..", "00127.0.0.1", "127.0.0.0001", "example.1", "example.0x7f", "\uff10x7f.1", "\u0967\u0968\u096d.0.0.1",
    "\uff12\uff11\uff13\uff10\uff17\uff10\uff16\uff14\uff13\uff13", "\uff11\uff12\uff17.1", "::1", "0:0:0:0:0:0:0:1",
]  # fmt: skip
BRACKETS = [
    "[]", "[", "[::1", "::1]", "[127.0.0.1]", "[1:2:3]", "[::127.1]", "[:::1]", "[12345::]", "[::1%eth0]",
    "[fe80::1%25eth0]", "[fe80::1%251]", "[::1%]", "[v1.a]", "[v1.fe80::a]", "[example.com]", "[[::1]]", "[::1]80",
    "[::1].example.com", "[::1]example.com", "example.com[::1]", "127.0.0.1[::1]", "[::1][::2]", "[::1]:80:81",
]  # fmt: skip
NAMES = [
    "a..b", ".a", "a.b..", "-a.example", "a-.example", "a b.example", "a%2eb", "%61.example", "a%00.example",
    "a*b.example", "a;b.example", "a&b.example", "a,b", "a'b", 'a"b', "a<b", "a|b", "a^b", "a`b", "a{b}", "a!b", "a$b",
    "a+b", "a=b", "a(b)", "a~b", "a\u2215b", "a\u2044b", "a\uff0fb", "a\uff1ab", "a\uff1fb", "a\uff03b", "a\uff20b",
    "a\uff3cb", "a\uff05b", "a\u2100b", "a\u2048b", "a\ufe6bb", "a\ud800b", "\u00e4" * 64, "a" * 64 + ".example",
    ".".join(["a" * 63] * 4), "\u0301a.example",
]  # fmt: skip
PORTS = [
    "0",
    "00",
    "65536",
    "99999999999",
    "-1",
    "+80",
    "8_0",
    "80a",
    "0x50",
    "80:81",
    "%38%30",
    "\uff18\uff10",
    "\u0668",
]

plain = st.sampled_from([*UNRESERVED, *"!$&'()*+,;=:@"])
segments = st.lists(plain | st.sampled_from(RESERVED_ESCAPES), min_size=1, max_size=8).map("".join)
paths = st.lists(segments.filter(lambda one: one not in {".", ".."}), max_size=5).map(lambda all_: "/" + "/".join(all_))
queries = st.lists(plain | st.sampled_from([*RESERVED_ESCAPES, "/", "?"]), min_size=1, max_size=30).map("".join)
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True).filter(lambda label: label[2:4] != "--")
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join)
scraps = st.sampled_from(
    ["http://", "https://", "a.b", "[::1]", "127.0.0.1", ":", "@", "#", "?", "/", "//", "..", ".", "%", "%2e", "%7E",
     "%f", "\\", "\r\n", "\x00", "[", "]", "\u00e4", "\uff0e", "\uff0f", "\u2215", "xn--", "xn--a", "80", "-", "\ud800"]
)  # fmt: skip
oddities = st.lists(scraps | st.text(max_size=3), max_size=8).map("".join)
hostile = st.builds("".join, st.tuples(st.sampled_from(["", "http://", "http://a.b", "https://a.b/"]), oddities))


def refused(text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        parse_url(text)
    assert caught.value.field == "url"
    return caught.value


@pytest.mark.parametrize(("text", "url"), CANONICAL.items())
def test_an_address_has_one_spelling(text: str, url: str) -> None:
    assert parse_url(text).url == url
    assert parse_url(url) == parse_url(text)


def test_a_target_knows_its_parts() -> None:
    assert parse_url("HTTPS://Example.com.:8443/a") == Url("https://example.com:8443/a", "https", "example.com", 8443)
    assert (parse_url("http://a.b/").port, parse_url("https://a.b/").port) == (80, 443)
    six = parse_url("http://[2001:DB8::1]/")
    assert six.host == "2001:db8::1" and six.literal == ipaddress.ip_address("2001:db8::1")
    assert parse_url("http://\uff11\uff12\uff17.0.0.1/").literal == ipaddress.ip_address("127.0.0.1")
    assert parse_url("http://127.0.0.1.example/").literal is None


def test_the_key_is_the_hash_of_the_canonical_spelling() -> None:
    key = hashlib.sha256(b"http://example.com/A").hexdigest()
    assert parse_url("HTTP://EXAMPLE.com:80/%41#b").key == key != parse_url("http://example.com/a").key


@pytest.mark.parametrize("query", UNCHANGED)
def test_a_signed_query_stays_as_it_is(query: str) -> None:
    assert parse_url(f"https://example.com/a.jpg?{query}").url == f"https://example.com/a.jpg?{query}"


@given(queries)
def test_a_well_formed_query_stays_as_it_is(query: str) -> None:
    assert parse_url(f"http://a.b/?{query}").url == f"http://a.b/?{query}"


def test_an_empty_query_is_not_the_same_as_none() -> None:
    """RFC 3986 section 6.2.3: `http://example.com/?` cannot be taken to be `http://example.com/`."""
    assert parse_url("http://example.com/?").key != parse_url("http://example.com/").key


@given(hosts, paths, queries)
def test_what_is_canonical_already_stays_as_it_is(host: str, path: str, query: str) -> None:
    url = f"http://{host}:8080{path}?{query}"
    assert parse_url(url) == Url(url, "http", host, 8080)


@given(hosts, paths, st.randoms(use_true_random=False))
def test_characters_that_are_escaped_without_need_make_no_difference(host: str, path: str, chance: Random) -> None:
    escapes, loosely = path.split("%"), []
    for index, part in enumerate(escapes):
        kept, rest = (part[:2], part[2:]) if index else ("", part)
        spelled = [f"%{ord(c):02x}" if c in UNRESERVED and chance.random() < 0.5 else c for c in rest]
        loosely.append(kept.lower() + "".join(spelled))
    assert parse_url(f"http://{host.upper()}{'%'.join(loosely)}") == parse_url(f"http://{host}{path}")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="\\%?#"), max_size=30))
def test_a_path_names_the_same_bytes_before_and_after(name: str) -> None:
    url = parse_url(f"http://a.b/x{name.replace('/', '')}").url
    assert url.isascii() and unquote_to_bytes(url) == f"http://a.b/x{name.replace('/', '')}".encode()


@given(hostile)
def test_whatever_is_sent_is_refused_or_has_a_spelling_that_is_its_own(text: str) -> None:
    try:
        target = parse_url(text)
    except InvalidInput as error:
        if error.field != "url":
            raise
        return
    assert parse_url(target.url) == target
    assert target.url.isascii() and target.url.isprintable() and not set(target.url) & set(' "<>\\^`{|}#')
    read = URL(target.url, encoded=True)
    assert (read.scheme, read.raw_host, read.port, read.user) == (target.scheme, target.host, target.port, None)


@pytest.mark.parametrize("text", [*NO_ADDRESSES, *USERS])
def test_what_is_no_plain_http_address_is_refused(text: str) -> None:
    refused(text)


def test_a_refusal_does_not_repeat_the_password() -> None:
    assert "secret" not in str(refused("http://user:secret@example.com/"))


@pytest.mark.parametrize("host", [*NUMBERS, *BRACKETS, *NAMES])
def test_a_host_that_could_be_read_in_two_ways_is_refused(host: str) -> None:
    refused(f"http://{host}/")
    refused(f"http://{host}:80/a.jpg")


@pytest.mark.parametrize("port", PORTS)
def test_a_port_that_is_none_is_refused(port: str) -> None:
    refused(f"http://example.com:{port}/")


@pytest.mark.parametrize("text", ["http{}://a.b/", "http://a{}.b/", "http://a.b:8{}0/", "http://a.b/a{}b",
                                  "http://a.b/?a{}b", "http://a.b/#a{}b"])  # fmt: skip
@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", "\\", "\r\n"])
def test_control_characters_and_backslashes_are_refused(text: str, character: str) -> None:
    refused(text.format(character))


def test_a_space_is_what_it_is_escaped_as_but_in_a_host() -> None:
    assert parse_url("http://a.b/a b.jpg?c d#e f").url == "http://a.b/a%20b.jpg?c%20d"
    for text in ("http ://a.b/", "http://a .b/", "http://a.b:8 0/"):
        refused(text)


@pytest.mark.parametrize(
    ("line", "url"),
    {
        "\ufeffhttp://a.b/My Photo.jpg": "http://a.b/My%20Photo.jpg",
        "//a.b/x.jpg": "http://a.b/x.jpg",
        '"http://a.b/x.jpg"': "http://a.b/x.jpg",
        "'http://a.b/x.jpg',": "http://a.b/x.jpg",
        "  <https://a.b/x.jpg>  ": "https://a.b/x.jpg",
        "\u201chttps://a.b/x.jpg\u201d": "https://a.b/x.jpg",
        '"http://a.b/x.jpg";': "http://a.b/x.jpg",
        "a.b/x.jpg": "http://a.b/x.jpg",
        "a.b:8080/x.jpg": "http://a.b:8080/x.jpg",
        "http:\\\\a.b\\x.jpg": "http://a.b/x.jpg",
        "http://a.b/x\t.jpg\r": "http://a.b/x.jpg",
        "http://a.b/'x'.jpg": "http://a.b/'x'.jpg",
        "\u00a0http://a.b/x.jpg": "http://a.b/x.jpg",
    }.items(),
)
def test_a_line_of_a_list_is_what_its_writer_means(line: str, url: str) -> None:
    assert parse_url(as_meant(line)).url == url


@pytest.mark.parametrize("line", ["", '"', '""', "ftp://a.b/x", "mailto:me@a.b", "http://", "//", "<>", "\ufeff"])
def test_a_line_that_means_nothing_is_still_refused(line: str) -> None:
    refused(as_meant(line))


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", "\\"])
def test_they_are_refused_at_either_end_too(character: str) -> None:
    refused(f"{character}http://a.b/")
    refused(f"http://a.b/{character}")


@pytest.mark.parametrize("text", ["http://a.b/\ud800", "http://a.b/?\udfff", "http://\udc80.b/"])
def test_half_a_character_is_refused(text: str) -> None:
    refused(text)


def test_an_address_is_of_a_length_that_is_held_before_and_after_escaping() -> None:
    longest = "http://example.com/".ljust(LONGEST, "a")
    assert parse_url(longest).url == longest
    refused(longest + "a")
    refused("http://example.com/" + "\u00e4" * (LONGEST // 4))
    assert len(parse_url(f"http://{'.'.join(['a' * 63] * 3)}.{'a' * 61}/").host) == 253
