"""Where a file lies tells its name, and nothing else has one."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mezzotint.cache.places import KINDS, group_of, kind_of, name_at, path_of

HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
MBIDS = st.uuids().map(str)
SUFFIXES = st.text("abcXYZ0189.-", max_size=20)

native = st.builds("{}-{}".format, HASHES, SUFFIXES).filter(lambda name: not name.endswith(".json"))
remote = st.builds("{}.json".format, HASHES)
release = st.builds("release/{}{}".format, MBIDS, SUFFIXES)
release_group = st.builds("release-group/{}{}".format, MBIDS, SUFFIXES)
of_kind = {"native": native, "remote": remote, "release": release, "release-group": release_group}
names = st.one_of(HASHES, *of_kind.values())

HASH = "0123456789abcdef" * 4
MBID = "01234567-89ab-cdef-0123-456789abcdef"


def test_the_kinds_are_these() -> None:
    assert set(KINDS) == set(of_kind)


@given(names)
def test_the_name_of_where_a_name_lies_is_that_name(name: str) -> None:
    assert name_at(path_of(name)) == name


@pytest.mark.parametrize("kind", of_kind)
def test_each_kind_lies_under_its_own_name_deep(kind: str) -> None:
    @given(of_kind[kind])
    def holds(name: str) -> None:
        top, *shards, own = path_of(name).split("/")
        assert top == kind == kind_of(name)
        assert own == name.rpartition("/")[2]
        assert shards == [own[:1], own[:2], own[:3]]

    holds()


@given(names, names)
def test_two_names_lie_in_two_places(one: str, two: str) -> None:
    assume(one != two)
    assert path_of(one) != path_of(two)


@given(MBIDS)
def test_a_release_and_a_release_group_of_one_mbid_are_apart(mbid: str) -> None:
    release, group = f"release/{mbid}.json", f"release-group/{mbid}.json"
    assert path_of(release) != path_of(group)
    assert group_of(release) != group_of(group)


@given(names, SUFFIXES)
def test_a_group_has_what_begins_as_it_does(name: str, suffix: str) -> None:
    group = group_of(name)
    assert name.startswith(group)
    assert group_of(group) == group == group_of(group + suffix)


def test_groups_are_idents_keys_and_releases() -> None:
    assert group_of(f"{HASH}-100x50.jpg") == group_of(f"{HASH}.json") == HASH
    assert group_of(f"release/{MBID}-123-250.jpg") == f"release/{MBID}"
    assert group_of(f"release-group/{MBID}.json") == f"release-group/{MBID}"


FOREIGN = [
    "",
    "/",
    "native",
    "native/",
    f"native/{HASH}",
    f"native/0/01/{HASH}",
    f"native/0/01/012/0123/{HASH}",
    f"native/1/01/012/{HASH}",
    f"native/0/00/012/{HASH}",
    f"native/0/01/011/{HASH}",
    f"/native/0/01/012/{HASH}",
    f"./native/0/01/012/{HASH}",
    f"native//0/01/012/{HASH}",
    f"native/0/01/012/./{HASH}",
    f"native/0/01/012/../012/{HASH}",
    f"native/0/01/012/{HASH}/",
    f"native/0/01/012/{HASH}\n",
    f"native/0/01/012/{HASH} ",
    f"native/0/01/012/{HASH}-1x1.jpg\0",
    f"native/0/01/012/{HASH}-é.jpg",
    f"native/0/01/012/{HASH}-1x1.jpg~",
    f"native/0/01/012/{HASH}_1x1.jpg",
    f"native/0/01/012/{HASH}.json",
    f"native/0/01/012/{HASH[:63]}",
    f"native/0/01/012/{MBID}",
    f"native/A/AB/ABC/{'ABCDEF0123456789' * 4}",
    f"native/0/01/012/.{HASH}.part",
    "native/0/01/012/.0123456789abcdef0123456789abcdef.part",
    f"remote/0/01/012/{HASH}",
    f"remote/0/01/012/{HASH}-1x1.jpg",
    f"foreign/0/01/012/{HASH}",
    f".control/0/01/012/{HASH}",
    f"Native/0/01/012/{HASH}",
    f"release/0/01/012/{HASH}",
    f"release/0/01/012/{MBID.upper()}",
    f"release/0/01/012/{MBID}/1.jpg",
    f"release/{MBID}-1.jpg",
    f"release/0/01/012/{MBID.replace('-', '')}",
    f"release/0/01/012/{MBID}-1.jpg\n",
    f"release-groups/0/01/012/{MBID}",
    f"release-group/1/01/012/{MBID}",
    f"native/٠/٠١/٠١٢/{HASH.replace('0', '٠')}",
    ".control/index.sqlite3",
    "../../etc/passwd",
    "native/../../../etc/passwd",
]


@pytest.mark.parametrize("path", FOREIGN)
def test_a_foreign_path_has_no_name(path: str) -> None:
    assert name_at(path) is None


@given(
    st.one_of(st.text(), st.lists(st.sampled_from([*KINDS, "0", "01", "012", "..", ".", "", HASH, MBID])).map("/".join))
)
@example(f"native/0/01/012/{HASH}")
def test_only_a_path_of_ours_has_a_name(path: str) -> None:
    name = name_at(path)
    assert name is None or path_of(name) == path
    if name is not None:
        assert ".." not in PurePosixPath(path).parts
        assert path.split("/")[0] in KINDS


@given(names, st.integers(0, 200), st.sampled_from(["", "/", "/../", ".", "x", "\n", "\0", "é", " "]))
def test_a_path_with_a_change_is_no_path_of_that_name(name: str, at: int, change: str) -> None:
    path = path_of(name)
    at %= len(path)
    changed = path[:at] + change + path[at + 1 :]
    assume(changed != path)
    assert name_at(changed) != name
