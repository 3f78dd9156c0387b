"""Images and collections as IIIF Presentation 3.0 has them: a manifest is an object of canvases, a canvas shows one.

https://iiif.io/api/presentation/3.0/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlsplit

from mezzotint.names import FORMATS
from mezzotint.repository import dates, image_fields
from mezzotint.repository.links import fitted
from mezzotint.repository.models import Collection, Image
from mezzotint.repository.structures import structures
from mezzotint.settings.own_fields import OwnField

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
MEDIA_TYPE = f'application/ld+json;profile="{CONTEXT}"'
ROOT = "/iiif/presentation/3"
_THUMBNAIL = 400
_RIGHTS = re.compile(r"https?://(creativecommons\.org/(licenses|publicdomain)/|rightsstatements\.org/vocab/)\S+")
"""what `rights` may be (section 3.1); anything else that is said of them is a statement to be shown"""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Presentation:
    """For who has asked at `base`, this server's address without a slash at its end."""

    def __init__(self, base: str, name: str | None = None) -> None:
        """`name` is whose pictures these are; otherwise where they are."""
        self._base, self._name = base, name or urlsplit(base).netloc

    def image(self, image: Image) -> dict[str, Any]:
        """A manifest of one canvas."""
        return {
            "@context": CONTEXT,
            "id": f"{self._base}{ROOT}/images/{image.ident}/manifest.json",
            "type": "Manifest",
            "label": _said(_title(image)),
            **self._described(image, [one.slug for one in image.collections.all()]),
            "thumbnail": [self._thumbnail(image)],
            "provider": [self._provider()],
            "homepage": [self._page(f"/image/{image.ident}/", _title(image))],
            "items": [self._canvas(image, f"{self._base}{ROOT}/images/{image.ident}")],
        }

    def collection(self, collection: Collection, images: Iterable[Image]) -> dict[str, Any]:
        """A manifest of one canvas for each image, in order."""
        at = f"{self._base}{ROOT}/collections/{quote(collection.slug)}"
        chosen = list(images)
        return {
            "@context": CONTEXT,
            "id": f"{at}/manifest.json",
            "type": "Manifest",
            "label": _said(collection.title or collection.slug),
            **({"summary": _said(collection.description)} if collection.description.strip() else {}),
            **({"thumbnail": [self._thumbnail(chosen[0])]} if chosen else {}),
            **({"viewingDirection": collection.viewing_direction} if collection.viewing_direction else {}),
            **({"behavior": [collection.behavior]} if collection.behavior else {}),
            "provider": [self._provider()],
            "homepage": [self._page(f"/collection/{quote(collection.slug)}/", collection.title or collection.slug)],
            **({"rendering": [self._document(collection)]} if collection.document else {}),
            "seeAlso": [self._data(f"/api/collections/{quote(collection.slug)}/")],
            **structures(collection.ranges, [image.ident for image in chosen], at),
            "items": [self._canvas(image, at, within=collection.slug) for image in chosen],
        }

    def collections(self, found: Iterable[Collection], cursor: str, following: str | None) -> dict[str, Any]:
        """A page of all collections; what follows is a collection within it."""
        items: list[dict[str, Any]] = [
            {
                "id": f"{self._base}{ROOT}/collections/{quote(one.slug)}/manifest.json",
                "type": "Manifest",
                "label": _said(one.title or one.slug),
            }
            for one in found
        ]
        if following is not None:
            label = {"en": ["More"], "de": ["Weitere"]}
            items.append({"id": self._list(following), "type": "Collection", "label": label})
        return {
            "@context": CONTEXT,
            "id": self._list(cursor),
            "type": "Collection",
            "label": {"en": ["Collections"], "de": ["Sammlungen"]},
            "provider": [self._provider()],
            "items": items,
        }

    def _list(self, cursor: str) -> str:
        return f"{self._base}{ROOT}/collection.json" + (f"?cursor={quote(cursor)}" if cursor else "")

    def _canvas(self, image: Image, at: str, *, within: str | None = None) -> dict[str, Any]:
        """`at`: the address of what it is in; `within` a collection it is described."""
        address = f"{at}/canvas/{image.ident}"
        return {
            "id": address,
            "type": "Canvas",
            "label": _said(_title(image)),
            "width": image.width,
            "height": image.height,
            **(self._described(image, [within]) if within is not None else {}),
            "thumbnail": [self._thumbnail(image)],
            "rendering": [self._original(image)],
            "seeAlso": [self._data(f"/api/images/{image.ident}/")],
            "items": [
                {
                    "id": f"{address}/page",
                    "type": "AnnotationPage",
                    "items": [
                        {
                            "id": f"{address}/painting",
                            "type": "Annotation",
                            "motivation": "painting",
                            "target": address,
                            "body": self._picture(image, "max", image.width, image.height),
                        }
                    ],
                }
            ],
        }

    def _described(self, image: Image, slugs: Iterable[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if image.description.strip():
            found["summary"] = _said(image.description)
        facts = [
            ("Creator", "Urheber", [image.creator]),
            ("Date", "Datum", [dates.in_words(image.captured)]),
            ("Source", "Quelle", [image.source]),
            ("Tags", "Schlagwörter", [str(tag) for tag in image.tags]),
        ]
        metadata = [
            {"label": {"en": [english], "de": [german]}, "value": {"none": said}}
            for english, german, values in facts
            if (said := [value for value in values if value.strip()])
        ]
        metadata += [{"label": _labels(own), "value": {"none": said}} for own, said in image_fields.shown(image, slugs)]
        if metadata:
            found["metadata"] = metadata
        if _RIGHTS.fullmatch(rights := image.rights.strip()):
            found["rights"] = re.sub("^https", "http", rights)
        elif rights:
            found["requiredStatement"] = {"label": {"en": ["Rights"], "de": ["Rechte"]}, "value": _said(rights)}
        if day := _DAY.match(image.captured):
            found["navDate"] = f"{day[0]}T00:00:00Z"
        return found

    def _service(self, image: Image) -> dict[str, str]:
        return {"id": f"{self._base}/iiif/3/{image.ident}", "type": "ImageService3", "profile": "level2"}

    def _picture(self, image: Image, size: str, width: int, height: int) -> dict[str, Any]:
        service = self._service(image)
        return {
            "id": f"{service['id']}/full/{size}/0/default.jpg",
            "type": "Image",
            "format": "image/jpeg",
            "width": width,
            "height": height,
            "service": [service],
        }

    def _thumbnail(self, image: Image) -> dict[str, Any]:
        width, height = fitted(image, _THUMBNAIL)
        natural = (width, height) == (image.width, image.height)
        return self._picture(image, "max" if natural else f"{width},{height}", width, height)

    def _original(self, image: Image) -> dict[str, Any]:
        return {
            "id": f"{self._base}/images/{image.ident}",
            "type": "Image",
            "label": {"en": ["Original"], "de": ["Original"]},
            "format": FORMATS[image.format].media_type,
        }

    def _data(self, path: str) -> dict[str, Any]:
        return {
            "id": f"{self._base}{path}",
            "type": "Dataset",
            "label": {"en": ["All that is known of it"], "de": ["Alles, was dazu bekannt ist"]},
            "format": "application/json",
        }

    def _document(self, collection: Collection) -> dict[str, Any]:
        return {
            "id": f"{self._base}/collection/{quote(collection.slug)}/document.pdf",
            "type": "Text",
            "label": {"en": ["Document"], "de": ["Dokument"]},
            "format": "application/pdf",
        }

    def _page(self, path: str, title: str) -> dict[str, Any]:
        return {"id": f"{self._base}{path}", "type": "Text", "label": _said(title), "format": "text/html"}

    def _provider(self) -> dict[str, Any]:
        return {
            "id": f"{self._base}/",
            "type": "Agent",
            "label": _said(self._name),
            "homepage": [self._page("/", self._name)],
        }


def _said(text: str) -> dict[str, list[str]]:
    """In whatever language it is."""
    return {"none": [text.strip()]}


def _title(image: Image) -> str:
    return image.title.strip() or f"{image.ident[:12]}"


def _labels(own: OwnField) -> dict[str, list[str]]:
    named = {language: [label] for language, label in own.labels.items() if language}
    return named or {"none": [own.label()]}
