"""OAI-PMH 2.0, as a harvester asks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client

from mezzotint.repository import oai, services
from mezzotint.repository.models import Commit, Image, Installation, Removal
from mezzotint.wiring import Engine
from tests.repository.keeping import furnish, put_in

NS = {
    "o": "http://www.openarchives.org/OAI/2.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "oai_dc": "http://www.openarchives.org/OAI/2.0/oai_dc/",
}
FORM = "application/x-www-form-urlencoded"
HOSTILE = "<script>&\"' \u202etxt \N{PILE OF POO} \ufffe مرحبا"


def ask(verb: str, **arguments: str) -> ET.Element:
    asked = {"verb": verb} | {name.rstrip("_"): value for name, value in arguments.items()}
    answer = Client().get("/oai", asked)
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/xml")
    root = ET.fromstring(answer.content)
    assert root.tag == f"{{{NS['o']}}}OAI-PMH"
    return root


def error(root: ET.Element) -> str | None:
    found = root.find("o:error", NS)
    return None if found is None else found.get("code")


def harvest(verb: str = "ListRecords", **arguments: str) -> Iterator[ET.Element]:
    """All headers of a list, page by page."""
    root = ask(verb, metadataPrefix="oai_dc", **arguments)
    while True:
        assert error(root) is None
        yield from root.iterfind(".//o:header", NS)
        token = root.find(".//o:resumptionToken", NS)
        if token is None or not token.text:
            return
        root = ask(verb, resumptionToken=token.text)


def idents(headers: Iterator[ET.Element]) -> list[str]:
    return [(one.findtext("o:identifier", "", NS)).rpartition(":")[2] for one in headers]


def test_it_says_who_it_is(repository: Engine) -> None:
    put_in(repository, 1)
    said = ask("Identify").find("o:Identify", NS)
    assert said is not None
    values = {one.tag.partition("}")[2]: one.text for one in said}
    assert values["protocolVersion"] == "2.0" and values["deletedRecord"] == "transient"
    assert values["granularity"] == "YYYY-MM-DDThh:mm:ssZ" and "@" in str(values["adminEmail"])
    assert [one.tag.partition("}")[2] for one in said] == [
        "repositoryName", "baseURL", "protocolVersion", "adminEmail", "earliestDatestamp", "deletedRecord",
        "granularity",
    ]  # fmt: skip
    assert ask("ListMetadataFormats").findtext(".//o:metadataPrefix", "", NS) == "oai_dc"


def test_all_is_harvested_once_with_what_was_removed(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oai, "PAGE", 2)
    live = furnish(repository)
    headers = list(harvest())
    found = idents(iter(headers))
    assert len(found) == len(set(found)) == 4 and set(live) < set(found)
    gone = [one for one in headers if one.get("status") == "deleted"]
    assert len(gone) == 1 and gone[0].find("o:setSpec", NS) is None
    assert idents(harvest("ListIdentifiers")) == found


def test_what_changes_while_a_list_is_harvested_is_neither_lost_nor_told_twice(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oai, "PAGE", 2)
    session = services.open_session("anna")
    from tests import pictures
    from tests.repository.adding import add_image

    for seed in range(7):
        add_image(session, repository.bases.add([pictures.png(seed=seed)]), {})
    from mezzotint.repository.commits import commit

    commit(session)
    steps = harvest()
    seen = idents(iter([next(steps) for _ in range(3)]))
    services.at_once("bela", lambda s: services.edit_image(s, seen[0], 1, {"title": "later"}))
    rest = sorted(set(Image.objects.values_list("ident", flat=True)) - set(seen))
    services.at_once("bela", lambda s: services.edit_image(s, rest[0], 1, {"title": "later"}))
    seen += idents(steps)
    assert set(seen) | {rest[0]} == set(Image.objects.values_list("ident", flat=True)) and len(seen) == len(set(seen))
    since = Commit.objects.order_by("seq")[1].at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert rest[0] in idents(harvest(from_=since)), "the next harvest has it"


def test_lists_are_of_a_time(repository: Engine) -> None:
    first = put_in(repository, 1)
    Commit.objects.update(at=datetime.fromisoformat("2020-05-05T10:00:00+00:00"))
    second = put_in(repository, 2)
    assert idents(harvest(from_="2020-05-06")) == [second] and idents(harvest(until="2020-05-05")) == [first]
    assert idents(harvest(from_="2020-05-05T10:00:00Z", until="2020-05-05T10:00:00Z")) == [first]
    assert error(ask("ListRecords", metadataPrefix="oai_dc", until="2020-05-04")) == "noRecordsMatch"
    tomorrow = (datetime.now() + timedelta(days=2)).strftime("%Y-%m-%d")
    assert error(ask("ListRecords", metadataPrefix="oai_dc", from_=tomorrow)) == "noRecordsMatch"


def test_lists_are_of_a_set(repository: Engine) -> None:
    live = furnish(repository)
    sets = [one.text for one in ask("ListSets").iterfind(".//o:setSpec", NS)]
    assert sets == ["other", "shelf"]
    headers = list(harvest(set="other"))
    assert set(idents(one for one in headers if one.get("status") is None)) == set(live[1:])
    assert error(ask("ListRecords", metadataPrefix="oai_dc", set="none")) == "noRecordsMatch"
    services.at_once("anna", lambda s: services.put_collection(s, "other", {"visibility": "login"}, 1))
    assert [one.text for one in ask("ListSets").iterfind(".//o:setSpec", NS)] == ["shelf"]


def test_what_is_hidden_is_not_told(repository: Engine) -> None:
    ident = put_in(repository, 1)
    other = services.at_once("anna", lambda s: services.put_collection(s, "shelf", {"visibility": "login"}, 1))
    assert other and error(ask("ListRecords", metadataPrefix="oai_dc")) == "noRecordsMatch"
    name = f"oai:127.0.0.1:{ident}"
    assert error(ask("GetRecord", identifier=name, metadataPrefix="oai_dc")) == "idDoesNotExist"
    services.at_once("anna", lambda s: services.remove_image(s, ident))
    assert error(ask("GetRecord", identifier=name, metadataPrefix="oai_dc")) == "idDoesNotExist"


def test_a_record_says_what_people_said(repository: Engine) -> None:
    ident = put_in(repository, 1, title=HOSTILE, tags=["a", "b"], captured="1890~", rights="mine", licence="CC0")
    root = ask("GetRecord", identifier=f"oai:127.0.0.1:{ident}", metadataPrefix="oai_dc")
    said = root.find(".//oai_dc:dc", NS)
    assert said is not None
    assert [one.text for one in said.iterfind("dc:title", NS)] == [HOSTILE.replace("\ufffe", "\ufffd")]
    assert [one.text for one in said.iterfind("dc:subject", NS)] == ["a", "b"]
    assert [one.text for one in said.iterfind("dc:date", NS)] == ["1890~"]
    assert [one.text for one in said.iterfind("dc:rights", NS)] == ["mine", "CC0"]
    assert f"/image/{ident}/" in said.findtext("dc:identifier", "", NS)
    assert root.findtext(".//o:setSpec", "", NS) == "shelf"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("", "badVerb"),
        ("verb=Nothing", "badVerb"),
        ("verb=Identify&verb=Identify", "badVerb"),
        ("verb=Identify&x=1", "badArgument"),
        ("verb=ListRecords", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&metadataPrefix=oai_dc", "badArgument"),
        ("verb=ListRecords&metadataPrefix=mods", "cannotDisseminateFormat"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2020", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2020-13-01", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2020-01-01&until=2019-01-01", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2020-01-01&until=2020-01-01T00:00:00Z", "badArgument"),
        ("verb=ListRecords&resumptionToken=x&metadataPrefix=oai_dc", "badArgument"),
        ("verb=ListRecords&resumptionToken=x", "badResumptionToken"),
        ("verb=ListRecords&resumptionToken=WzFd", "badResumptionToken"),
        ("verb=ListRecords&resumptionToken=Wy0xLDEsbnVsbCwiIl0", "badResumptionToken"),
        ("verb=ListSets&resumptionToken=x", "badResumptionToken"),
        ("verb=GetRecord&metadataPrefix=oai_dc", "badArgument"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:127.0.0.1:0", "idDoesNotExist"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:other:" + "0" * 64, "idDoesNotExist"),
        ("verb=ListMetadataFormats&identifier=x", "idDoesNotExist"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=%00", "badArgument"),
        ("verb=ListSets", "noSetHierarchy"),
        ("verb=ListRecords&resumptionToken=", "badResumptionToken"),
        ("verb=ListIdentifiers&resumptionToken=", "badResumptionToken"),
        ("verb=ListRecords&metadataPrefix=oai_dc&until=9999-12-31", "noRecordsMatch"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=9999-12-31T23:59:59Z", "noRecordsMatch"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_its_codes(repository: Engine, asked: str, code: str) -> None:
    for answer in (
        Client().get(f"/oai?{asked}"),
        Client().post("/oai", asked, content_type="application/x-www-form-urlencoded"),
    ):
        assert answer.status_code == 200 and error(ET.fromstring(answer.content)) == code


def test_a_form_may_ask_too(repository: Engine) -> None:
    ident = put_in(repository, 1)
    answer: Any = Client().post(
        "/oai", "verb=ListIdentifiers&metadataPrefix=oai_dc", content_type="application/x-www-form-urlencoded"
    )
    assert idents(ET.fromstring(answer.content).iterfind(".//o:header", NS)) == [ident]


def test_while_the_past_is_looked_through_harvesters_come_again(repository: Engine) -> None:
    put_in(repository, 1)
    Installation.objects.update(traced=1)
    answer = Client().get("/oai?verb=ListRecords&metadataPrefix=oai_dc")
    assert answer.status_code == 503 and "Retry-After" in answer


def test_a_set_tells_what_was_removed_from_it(repository: Engine) -> None:
    live = furnish(repository)
    since = Commit.objects.latest("seq").at.strftime("%Y-%m-%dT%H:%M:%SZ")
    services.at_once("anna", lambda s: services.remove_image(s, live[1]))
    services.at_once("anna", lambda s: services.put_collection(s, "other", {}, 1, live[:1]))
    headers = list(harvest("ListIdentifiers", set="other", from_=since))
    found = dict(zip(idents(iter(headers)), (one.get("status") for one in headers), strict=True))
    assert found[live[1]] == found[live[2]] == "deleted" and found[live[0]] is None


def test_a_list_that_ends_with_a_page_has_no_empty_one_after_it(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oai, "PAGE", 2)
    for seed in range(2):
        put_in(repository, seed)
    services.at_once("anna", lambda s: services.put_collection(s, "shelf", {"title": "New"}, 1))
    assert ask("ListRecords", metadataPrefix="oai_dc").find(".//o:resumptionToken", NS) is None


def test_a_long_search_is_broken_off_and_goes_on(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oai, "_LONG", -1.0)
    live = furnish(repository)
    assert set(idents(harvest(set="other"))) >= set(live[1:])


def test_what_is_gone_for_ever_is_not_told(repository: Engine) -> None:
    put_in(repository, 1)
    ident = put_in(repository, 2)
    services.at_once("anna", lambda s: services.remove_image(s, ident))
    assert ident in idents(harvest())
    Removal.objects.all().delete()
    assert ident not in idents(harvest())
