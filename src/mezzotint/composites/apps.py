from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CompositesConfig(AppConfig):
    name = "mezzotint.composites"

    def ready(self) -> None:
        from mezzotint.composites.references import PageReferences
        from mezzotint.repository import references

        references.register(PageReferences())
        post_migrate.connect(_schedule, sender=self)


def _schedule(using: str, plan: list[Any] | None = None, **kwargs: Any) -> None:
    """A cluster by itself puts back what its broker has lost, too."""
    from mezzotint.composites import tasks

    tasks.schedule_sweeping()
