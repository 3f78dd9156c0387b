from django.apps import AppConfig


class RepositoryConfig(AppConfig):
    name = "mezzotint.repository"
    label = "repository"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from mezzotint.repository.api import schema  # noqa: F401  registers itself
