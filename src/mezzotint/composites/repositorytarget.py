"""Pages for the repository: bases, and an ordered collection of them, all in one commit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mezzotint.composites.claims import Claim
from mezzotint.composites.models import Member, Page, Status
from mezzotint.derivatives import Base
from mezzotint.errors import Conflict, DocumentRefused
from mezzotint.host.files import CHUNK
from mezzotint.names import Ident
from mezzotint.names.keys import DOCUMENTS
from mezzotint.repository import image_fields, metadata, queries, services
from mezzotint.repository.models import UpdateSession
from mezzotint.repository.services import Addition
from mezzotint.transforms.pdf import Document, Rendered
from mezzotint.wiring import engine

_TRIES = 3


class RepositoryTarget:
    def __init__(self, claim: Claim, path: Path) -> None:
        """`path` is the document's file."""
        self._claim, self._path = claim, path
        self._document = Document(0)

    def begin(self, document: Document) -> None:
        self._document = document

    def keep(self, page: Rendered) -> dict[str, Any]:
        with open(page.path, "rb") as stream:
            return {"ident": engine().bases.add(iter(lambda: stream.read(CHUNK), b"")).ident}

    def register(self, done: set[int]) -> None:
        """All of it at its end."""

    def finish(self) -> None:
        self._claim.update(status=Status.BUILDING_DLCS_REQUEST)
        digest = self._claim.member.document
        facts = {"pages": self._document.pages, "origin": self._origin} | asdict(self._document)
        store, said = engine().store, json.dumps(facts, ensure_ascii=False).encode()
        store.put(f"{DOCUMENTS}{digest}.json", said, "application/json")
        store.put(f"{DOCUMENTS}{digest}.pdf", self._path, "application/pdf")
        self._check_collection()
        for count in range(1, _TRIES + 1):
            self._claim.own()
            try:
                services.at_once(self._claim.member.by or "composite", self._described, f"composite {digest[:12]}")
                return
            except Conflict:  # somebody has changed the collection meanwhile
                if count == _TRIES:
                    raise

    def close(self) -> None: ...

    @property
    def _origin(self) -> str:
        """Without what may be a signature."""
        member = self._claim.member
        return Path(member.local).name if member.local else str(member.json_data["origin"]).partition("?")[0]

    @property
    def slug(self) -> str:
        """As it was when the document came in: rules for slugs may change."""
        return self._claim.member.place.removeprefix("repository:")

    def _check_collection(self) -> None:
        """What people have made is not written over. Raises DocumentRefused."""
        made = Member.objects.filter(place=self._claim.member.place, status=Status.COMPLETED)
        if queries.find_collection(self.slug) is not None and not made.exists():
            raise DocumentRefused(f"there is a collection {self.slug} already that no document has made")

    def _described(self, session: UpdateSession) -> None:
        pages = list(Page.objects.filter(member=self._claim.member).order_by("number"))
        first: dict[str, Page] = {}
        for page in pages:  # two pages of the same bytes are one image, where the first of them is
            first.setdefault(page.ident, page)
        additions = [Addition(_base(page), self._fields(page.number), {}) for page in first.values()]
        services.add_images(session, additions)
        live = queries.find_collection(self.slug)
        fields = {
            "title": self._title(),
            "description": self._description(),
            "document": self._claim.member.document,
            "ranges": self._ranges({page.number: page.ident for page in pages}),
        }
        version = live.version if live is not None else None
        services.put_collection(session, self.slug, fields, version, list(first), rasterised=True)

    def _title(self) -> str:
        return (self._claim.member.title or self._document.title or self.slug)[: metadata.TEXT_LIMITS["title"]]

    def _fields(self, number: int) -> metadata.Fields:
        label = self._document.labels[number - 1] if self._document.labels else ""
        fields = {
            "title": f"{self._title()[:400]}, page {label or number}",
            "creator": self._document.author[: metadata.TEXT_LIMITS["creator"]],
            "source": self._origin[: metadata.TEXT_LIMITS["source"]],
            "captured": self._document.created[:10],
        }
        return image_fields.clean({name: value for name, value in fields.items() if value})

    def _ranges(self, idents: dict[int, str]) -> list[dict[str, Any]]:
        """The document's outline, as far as it leads to pages."""
        return [
            {
                "label": label,
                "ident": idents[one["page"]],
                "level": min(int(one["level"]) + 1, metadata.MAX_LEVEL),
            }
            for one in self._document.outline
            if one["page"] in idents and (label := "".join(c for c in one["title"] if c.isprintable()).strip()[:500])
        ][: metadata.MAX_RANGES]

    def _description(self) -> str:
        """What the document says of itself, a line each, and its outline."""
        document = self._document
        said = {
            "Author": document.author, "Subject": document.subject, "Keywords": document.keywords,
            "Language": document.language, "Created": document.created[:10], "Modified": document.modified[:10],
            "Source": self._origin,
        }  # fmt: skip
        lines = [f"{name}: {value}" for name, value in said.items() if value]
        outline = [
            f"{'  ' * int(one['level'])}{one['title']}" + (f" (page {one['page']})" if one["page"] else "")
            for one in document.outline
        ]
        return "\n".join([*lines, "", *outline] if outline else lines)[: metadata.TEXT_LIMITS["description"]].strip()


def slug_of(member: Member) -> str:
    """Of the collection in the repository. Raises InvalidInput."""
    return metadata.clean_slug(member.title or member.json_data.get("compositeId") or str(member.pk))


def _base(page: Page) -> Base:
    ident = Ident(page.ident)
    return Base(ident, engine().bases.facts(ident), {}, new=False)
