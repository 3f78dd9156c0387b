from django.apps import AppConfig


class ImageCloudConfig(AppConfig):
    name = "mezzotint.imagecloud"
    label = "imagecloud"
    verbose_name = "Image cloud"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from mezzotint.imagecloud.references import RemoteReferences
        from mezzotint.repository import references

        references.register(RemoteReferences())
