"""One stored base into a session. May be imported before Django is set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mezzotint.derivatives import Base
    from mezzotint.repository.services import Upload


def add_image(
    session: Any, base: Base, fields: Mapping[str, object], collections: Mapping[str, str] | None = None
) -> Upload:
    """`collections` maps slug to title."""
    from mezzotint.repository import image_fields, services

    addition = services.Addition(base, image_fields.clean(fields), dict(collections or {}))
    return services.add_images(session, [addition])[0]
