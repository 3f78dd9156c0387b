"""Pictures over HTTP: thin, async, without a database."""

from mezzotint.delivery.app import Delivery

__all__ = ["Delivery"]
