from django.apps import AppConfig


class ImageCloudConfig(AppConfig):
    name = "mezzotint.imagecloud"
    verbose_name = "Image cloud"

    def ready(self) -> None:
        from mezzotint.imagecloud.references import RemoteReferences
        from mezzotint.repository import references

        references.register(RemoteReferences())
