"""Signed addresses: the format, the vectors of the docs, and the program that makes them."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import Forbidden, InvalidInput
from mezzotint.settings import Settings
from mezzotint.signatures import Signer
from tests.conftest import run

KEYS = {"shop": "correct-horse-battery-staple", "old": "a-key-that-was-used-before"}
DOCS = (Path(__file__).parents[1] / "docs" / "signing.md").read_text()
IDENT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VECTORS = re.findall(r"^(/\S+?)([?&])key=(\w+)(?:&expires=(\d+))?&signature=(\S{43})$", DOCS, re.MULTILINE)
ADDRESSES = st.text(string.ascii_letters + string.digits + "-._~/%?&=+,;:@!$()*|[]", max_size=80).map(lambda t: f"/{t}")


def test_the_vectors_of_the_docs_are_right() -> None:
    signer = Signer(KEYS)
    assert len(VECTORS) == 4
    for address, joint, key, expires, signature in VECTORS:
        signed = signer.sign(address, int(expires) if expires else None, key)
        assert signed.startswith(f"{address}{joint}key={key}")
        assert signed.endswith(f"&signature={signature}")
        found = signer.verify(signed)
        assert found is not None
        assert (found.address, found.expires) == (address, int(expires) if expires else None)


CALLS = {
    "python": ("python3", ["-c"], "\nimport sys\nprint(sign(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4]))"),
    "sh": ("openssl", None, '\nsign "$1" "$2" "$3" "$4"'),
}


@pytest.mark.parametrize("language", list(CALLS))
def test_the_examples_of_the_docs_sign_the_same(language: str, tmp_path: Path) -> None:
    needed, _, call = CALLS[language]
    if shutil.which(needed) is None:
        pytest.skip(f"{needed} is not here")
    example = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert example is not None
    program = tmp_path / "sign"
    program.write_text(example[1] + call)
    shell = {"python": "python3", "sh": "sh"}[language]
    for address, joint, key, expires, signature in VECTORS:
        made = subprocess.check_output([shell, program, address, key, KEYS[key], expires], text=True)
        end = f"&expires={expires}" if expires else ""
        assert made.strip() == f"{address}{joint}key={key}{end}&signature={signature}"


@given(ADDRESSES, st.none() | st.integers(10**10, 10**11))
def test_what_is_signed_is_verified(address: str, expires: int | None) -> None:
    signer = Signer(KEYS)
    found = signer.verify(signer.sign(address, expires))
    assert found is not None
    assert (found.address, found.expires) == (address, expires)


@given(ADDRESSES, st.data())
def test_one_character_more_less_or_other_is_refused(address: str, data: st.DataObject) -> None:
    signer = Signer(KEYS)
    signed = signer.sign(address, 10**11)
    at = data.draw(st.integers(0, len(signed) - 1))
    other = data.draw(st.sampled_from(string.ascii_letters + string.digits + "&?=-_"))
    for changed in (signed[:at] + other + signed[at + 1 :], signed[:at] + signed[at + 1 :], signed + other):
        if changed == signed:
            continue
        if "&signature=" not in changed:
            assert signer.verify(changed) is None
            continue
        with pytest.raises(Forbidden):
            signer.verify(changed)


def test_what_has_ended_is_told_from_what_is_wrong() -> None:
    signer = Signer(KEYS)
    with pytest.raises(Forbidden, match="expired"):
        signer.verify(signer.sign("/images/x", int(time.time()) - 1))
    with pytest.raises(Forbidden, match="not one of this installation's"):
        signer.verify(Signer({"shop": "another-secret-of-a-shop"}).sign("/images/x"))


def test_a_key_that_is_replaced_verifies_on_until_it_is_taken_away() -> None:
    before = Signer({"old": KEYS["old"]}).sign("/images/x")
    assert Signer(KEYS).verify(before) is not None
    assert "key=shop" in Signer(KEYS).sign("/images/x")
    with pytest.raises(Forbidden):
        Signer({"shop": KEYS["shop"]}).verify(before)


@pytest.mark.parametrize(
    "address",
    [
        "images/x",
        "",
        "/a b",
        "/ä",
        "/x#y",
        "/" + "x" * 9000,
        "/x\n",
        "/get_image?url=it's",
        "/a\\b",
        "/x?<y>",
        "/{x}",
        "/x^y",
        "/x`",
        '/"',
        "/x?k=1&signature=2",
    ],
)
def test_what_is_no_address_is_not_signed(address: str) -> None:
    with pytest.raises(InvalidInput):
        Signer(KEYS).sign(address)


@pytest.mark.timeout(60)
def test_a_long_address_is_looked_at_in_time_that_grows_with_it() -> None:
    signer = Signer(KEYS)
    for part in ("?key=a", "&signature=", "&key=a&expires=1", "?", "&"):
        for size in (8000, 100_000):
            with pytest.raises(Forbidden):
                signer.verify("/x&signature=" + part * (size // len(part)))


def test_keys_are_read_and_their_secrets_stand_in_no_message() -> None:
    read = Settings.read({"MEZZOTINT_SIGNING_KEYS": "shop:0123456789abcdef, old:0123456789:bcdef"})
    assert read.signing_keys == {"shop": "0123456789abcdef", "old": "0123456789:bcdef"}
    for wrong in (
        "topsecret",
        "shop:topsecret",
        "shop:topsecret-topsecret,shop:topsecret-topsecret",
        "a/b:topsecret-topsecret",
    ):
        with pytest.raises(InvalidInput) as refused:
            Settings.read({"MEZZOTINT_SIGNING_KEYS": wrong})
        assert refused.value.field == "MEZZOTINT_SIGNING_KEYS"
        assert "topsecret" not in str(refused.value)
    assert "0123456789" not in repr(read)


def test_sign_prints_addresses(tmp_path: Path) -> None:
    variables = {"MEZZOTINT_SIGNING_KEYS": ",".join(f"{name}:{key}" for name, key in KEYS.items())}
    variables["MEZZOTINT_PUBLIC_URL"] = "https://pictures.example"
    name = f"{IDENT}-fit400x400.jpg"
    made = run(
        tmp_path / "data", "sign", name, f"/images/{name}", f"https://pictures.example/images/{name}", **variables
    )
    line = f"https://pictures.example{Signer(KEYS).sign(f'/images/{name}')}"
    assert made.stdout.splitlines() == [line] * 3
    before = int(time.time())
    ending = run(
        tmp_path / "data", "sign", name, "--expires", "7d", "--key", "old", "--path", **variables
    ).stdout.strip()
    found = Signer({"old": KEYS["old"]}).verify(ending)
    assert found is not None
    assert found.expires is not None
    assert before + 7 * 86400 <= found.expires <= time.time() + 7 * 86400
    for arguments in (("nonsense",), (name, "--expires", "soon"), (name, "--key", "other"), ("/a b",)):
        refused = run(tmp_path / "data", "sign", *arguments, **variables)
        assert refused.returncode == 2
        assert len(refused.stderr.strip().splitlines()) <= 3
        assert "Traceback" not in refused.stderr
