"""Pictures out of multipart forms: each part is hashed and spooled once, where bases are kept."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from rest_framework.request import Request

from mezzotint.derivatives import Base
from mezzotint.derivatives.intake import Spool
from mezzotint.errors import InvalidInput, MezzotintError
from mezzotint.wiring import engine


class SpooledFile(UploadedFile[bytes]):
    """A part of a form that lies in the spool, or the error that it met there."""

    def __init__(self, name: str, spool: Spool, error: MezzotintError | None) -> None:
        super().__init__(name=name, size=spool.size)
        self._spool, self.error = spool, error

    def close(self) -> None:
        """Django closes what it had of a form that it refuses; the spool is closed with the request."""

    def keep(self) -> Base:
        """Verify and store it. Raises what its bytes deserve."""
        if self.error is not None:
            raise self.error
        return engine().bases.keep(self._spool)


class SpoolHandler(FileUploadHandler):
    """Django's upload handler for pictures. One part that is too large does not cost the others."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack
        self._spool: Spool | None = None
        self._error: MezzotintError | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._spool = self._stack.enter_context(engine().bases.spool())
        self._error = None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        assert self._spool is not None
        if self._error is None:
            try:
                self._spool.write(raw_data)
            except MezzotintError as error:
                self._error = error
        return None

    def file_complete(self, file_size: int) -> SpooledFile:
        assert self._spool is not None
        try:
            self._spool.finish()  # not to hold a descriptor for each of many files
        except MezzotintError as error:
            self._error = self._error or error
        return SpooledFile(self.file_name or "file", self._spool, self._error)


def uploaded_files(request: HttpRequest | Request) -> list[SpooledFile]:
    """The `file` parts of the form. Raises InvalidInput."""
    files = [file for file in request.FILES.getlist("file") if isinstance(file, SpooledFile)]
    if not files:
        raise InvalidInput("file", "is missing", "multipart/form-data with the picture as `file`")
    return files
