"""OAI-PMH 2.0 at `/oai`: requests in, XML out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import FormParser
from rest_framework.request import Request

from mezzotint.errors import InvalidInput
from mezzotint.names import FORMATS
from mezzotint.repository import oai, paging, queries
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.views import View
from mezzotint.repository.links import address_of
from mezzotint.repository.models import Commit, Image
from mezzotint.repository.oai import Harvest, OaiError
from mezzotint.repository.readers import Reader
from mezzotint.wiring import engine

_OAI, _DC, _DUBLIN = (
    "http://www.openarchives.org/OAI/2.0/",
    "http://www.openarchives.org/OAI/2.0/oai_dc/",
    "http://purl.org/dc/elements/1.1/",
)
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_PREFIX = "oai_dc"
_SETS = 200
ARGUMENTS: Mapping[str, tuple[set[str], set[str]]] = {
    "Identify": (set(), set()),
    "ListMetadataFormats": (set(), {"identifier"}),
    "ListSets": (set(), {"resumptionToken"}),
    "ListIdentifiers": ({"metadataPrefix"}, {"from", "until", "set", "resumptionToken"}),
    "ListRecords": ({"metadataPrefix"}, {"from", "until", "set", "resumptionToken"}),
    "GetRecord": ({"identifier", "metadataPrefix"}, set()),
}
"""of each verb those that are needed, and those that may be there"""
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""what XML 1.0 does not have"""

for _short, _name in (("oai_dc", _DC), ("dc", _DUBLIN), ("xsi", _XSI)):
    ET.register_namespace(_short, _name)


class OaiView(View):
    parser_classes = [FormParser]
    asking = frozenset({"POST"})
    http_method_names = ["get", "head", "post", "options"]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return self._answered(request, request.query_params)

    @extend_schema(exclude=True)
    def post(self, request: Request) -> HttpResponse:
        return self._answered(request, request.data)

    def _answered(self, request: Request, given: Any) -> HttpResponse:
        """A request that is asked wrongly is answered with 200 and an error inside, as the protocol wants it."""
        door = _Door(f"{address_of(request)}/oai", reader(request))
        root = door.answer({name: given.getlist(name) for name in given if name != "token"})
        body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
        return HttpResponse(body, "text/xml; charset=utf-8", headers={"Cache-Control": "no-cache"})


class _Door:
    def __init__(self, base: str, seen: Reader) -> None:
        self._base, self._reader = base, seen
        self._host = urlsplit(base).hostname or "localhost"
        self._verbs = {
            "Identify": self._identify,
            "ListMetadataFormats": self._list_metadata_formats,
            "ListSets": self._list_sets,
            "ListIdentifiers": self._list_identifiers,
            "ListRecords": self._list_records,
            "GetRecord": self._get_record,
        }

    def answer(self, given: Mapping[str, list[str]]) -> ET.Element:
        root = ET.Element("OAI-PMH", {"xmlns": _OAI, f"{{{_XSI}}}schemaLocation": f"{_OAI} {_OAI[:-1]}/OAI-PMH.xsd"})
        _add(root, "responseDate", _moment(datetime.now(UTC)))
        asked = _add(root, "request", self._base)
        try:
            verb, arguments = _asked(given)
            asked.attrib.update({"verb": verb} | arguments)
            root.append(self._verbs[verb](arguments))
        except OaiError as error:
            if error.code in {"badVerb", "badArgument"}:
                asked.attrib.clear()
            _add(root, "error", str(error), code=error.code)
        return root

    def _identify(self, arguments: Mapping[str, str]) -> ET.Element:
        first = Commit.objects.order_by("seq").values_list("at", flat=True).first() or datetime.now(UTC)
        contact = engine().settings.contact or ""
        part = ET.Element("Identify")
        for name, text in {
            "repositoryName": engine().settings.name or "Mezzotint",
            "baseURL": self._base,
            "protocolVersion": "2.0",
            "adminEmail": contact if "@" in contact else f"webmaster@{self._host}",
            "earliestDatestamp": _moment(first),
            "deletedRecord": "transient",
            "granularity": "YYYY-MM-DDThh:mm:ssZ",
        }.items():
            _add(part, name, text)
        return part

    def _list_metadata_formats(self, arguments: Mapping[str, str]) -> ET.Element:
        if "identifier" in arguments:
            oai.record(self._ident(arguments["identifier"]), self._reader)
        part = ET.Element("ListMetadataFormats")
        known = _add(part, "metadataFormat")
        _add(known, "metadataPrefix", _PREFIX)
        _add(known, "schema", "http://www.openarchives.org/OAI/2.0/oai_dc.xsd")
        _add(known, "metadataNamespace", _DC)
        return part

    def _list_sets(self, arguments: Mapping[str, str]) -> ET.Element:
        cursor = arguments.get("resumptionToken", "")
        try:
            found = paging.page(self._reader.collections(), "slug", cursor, _SETS, tie="slug")
        except InvalidInput:
            raise OaiError("badResumptionToken", "this token is not one that was given out here") from None
        if not found.items:
            raise OaiError("noSetHierarchy", "there are no collections")
        part = ET.Element("ListSets")
        for collection in found.items:
            one = _add(part, "set")
            _add(one, "setSpec", collection.slug)
            _add(one, "setName", collection.title)
            if collection.description:
                _dublin_core(_add(one, "setDescription"), {"description": [collection.description]})
        _resumption(part, found.next, cursor)
        return part

    def _list_identifiers(self, arguments: Mapping[str, str]) -> ET.Element:
        return self._list("ListIdentifiers", arguments)

    def _list_records(self, arguments: Mapping[str, str]) -> ET.Element:
        return self._list("ListRecords", arguments)

    def _list(self, verb: str, arguments: Mapping[str, str]) -> ET.Element:
        token = arguments.get("resumptionToken", "")
        if token:
            harvest = Harvest.of_token(token)
        else:
            _check_prefix(arguments)
            harvest = Harvest.between(arguments.get("from"), arguments.get("until"), arguments.get("set"))
            if harvest.collection is not None and queries.find_collection(harvest.collection, self._reader) is None:
                raise OaiError("noRecordsMatch", "there is no such set")
        found, rest = oai.page(harvest, self._reader)
        if not found and not token and rest is None:
            raise OaiError("noRecordsMatch", "nothing is like this")
        part = ET.Element(verb)
        for record in found:
            self._put(part if verb == "ListIdentifiers" else _add(part, "record"), record, verb != "ListIdentifiers")
        _resumption(part, rest.token if rest is not None else None, token)
        return part

    def _get_record(self, arguments: Mapping[str, str]) -> ET.Element:
        record = oai.record(self._ident(arguments["identifier"]), self._reader)
        _check_prefix(arguments)
        part = ET.Element("GetRecord")
        self._put(_add(part, "record"), record, True)
        return part

    def _put(self, within: ET.Element, record: oai.Record, whole: bool) -> None:
        header = _add(within, "header", **({} if record.image is not None else {"status": "deleted"}))
        _add(header, "identifier", f"oai:{self._host}:{record.ident}")
        _add(header, "datestamp", _moment(record.at))
        if record.image is None:
            return
        for collection in record.image.collections.all():
            _add(header, "setSpec", collection.slug)
        if whole:
            _dublin_core(_add(within, "metadata"), self._said(record.image))

    def _said(self, image: Image) -> dict[str, list[str]]:
        """The elements of Dublin Core that describe it."""
        here = self._base.removesuffix("/oai")
        return {
            "title": [image.title],
            "creator": [image.creator],
            "subject": list(image.tags),
            "description": [image.description, image.alt],
            "date": [image.captured],
            "type": ["Image"],
            "format": [FORMATS[image.format].media_type, f"{image.width} x {image.height} pixels"],
            "identifier": [f"{here}/image/{image.ident}/", f"{here}/images/{image.ident}", image.file_name],
            "source": [image.source],
            "relation": [f"{here}/iiif/presentation/3/images/{image.ident}/manifest.json"],
            "rights": [image.rights, image.licence],
        }

    def _ident(self, identifier: str) -> str:
        """Raises OaiError."""
        _, _, ident = identifier.rpartition(":")
        if identifier != f"oai:{self._host}:{ident}":
            raise OaiError("idDoesNotExist", "there is no such record")
        return ident


def _asked(given: Mapping[str, list[str]]) -> tuple[str, dict[str, str]]:
    """Raises OaiError."""
    verb = given.get("verb", [])
    if len(verb) != 1 or verb[0] not in ARGUMENTS:
        raise OaiError("badVerb", f"verb is one of {', '.join(ARGUMENTS)}, once")
    needed, known = ARGUMENTS[verb[0]]
    arguments = {name: values[0] for name, values in given.items() if name != "verb"}
    if any(len(values) != 1 for values in given.values()):
        raise OaiError("badArgument", "an argument is there twice")
    if unknown := sorted(arguments.keys() - needed - known):
        raise OaiError("badArgument", f"{unknown[0]:.100} is no argument of {verb[0]}")
    if any(_UNPRINTABLE.search(value) for value in arguments.values()):
        raise OaiError("badArgument", "an argument holds what XML does not")
    if "resumptionToken" in arguments:
        if len(arguments) > 1:
            raise OaiError("badArgument", "resumptionToken stands alone")
        if not arguments["resumptionToken"]:
            raise OaiError("badResumptionToken", "an empty token stands at the end of a list")
    elif missing := sorted(needed - arguments.keys()):
        raise OaiError("badArgument", f"{missing[0]} is missing")
    return verb[0], arguments


def _check_prefix(arguments: Mapping[str, str]) -> None:
    """Raises OaiError."""
    if arguments["metadataPrefix"] != _PREFIX:
        raise OaiError("cannotDisseminateFormat", f"metadataPrefix is {_PREFIX}")


def _dublin_core(within: ET.Element, said: Mapping[str, list[str]]) -> None:
    where = {f"{{{_XSI}}}schemaLocation": f"{_DC} http://www.openarchives.org/OAI/2.0/oai_dc.xsd"}
    element = ET.SubElement(within, f"{{{_DC}}}dc", where)
    for name, values in said.items():
        for value in filter(None, values):
            ET.SubElement(element, f"{{{_DUBLIN}}}{name}").text = _UNPRINTABLE.sub("\ufffd", value)


def _add(within: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(within, name, attributes)
    element.text = _UNPRINTABLE.sub("\ufffd", text) or None
    return element


def _resumption(part: ET.Element, token: str | None, asked: str) -> None:
    """At the end of a list that came in pieces there is an empty one."""
    if token or asked:
        _add(part, "resumptionToken", token or "")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
