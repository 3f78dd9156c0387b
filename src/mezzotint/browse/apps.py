from django.apps import AppConfig


class BrowseConfig(AppConfig):
    name = "mezzotint.browse"
    label = "browse"
