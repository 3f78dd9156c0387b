from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class RepositoryConfig(AppConfig):
    name = "mezzotint.repository"

    def ready(self) -> None:
        pre_migrate.connect(_uninstall, sender=self)
        post_migrate.connect(_install, sender=self)


def _uninstall(using: str, plan: list[Any] | None = None, **kwargs: Any) -> None:
    """SQLite renames no table while a trigger names one that a migration is just rebuilding. What a migration
    changes needs no note: whoever restores from before it runs it again."""
    from django.db import connections

    from mezzotint.repository.intake import capture

    if plan and connections[using].vendor == "sqlite":
        capture.uninstall(connections[using])


def _install(using: str, plan: list[Any] | None = None, **kwargs: Any) -> None:
    """A migration may have rebuilt a table, which loses its triggers on SQLite. Half-way through the migrations
    there is nothing to be done yet."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    from mezzotint.repository import fulltext
    from mezzotint.repository.intake import capture

    if not plan and capture.is_installed(connections[using]):
        return
    executor = MigrationExecutor(connections[using])
    leaves = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] in {"auth", "repository"}]
    if set(leaves) <= set(executor.loader.applied_migrations):
        capture.install(connections[using])
        fulltext.install(connections[using])
