"""Commands called in this process, on its own engine and database."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import pytest

from mezzotint.cli.commands import run


@dataclass(frozen=True)
class Done:
    """How a command ended, with what it wrote; the columns of a table are a space apart."""

    status: object
    out: str
    err: str

    def lines(self) -> list[str]:
        return [re.sub(r"\s*[│┃]\s*|\s{2,}", " ", line).strip() for line in self.out.splitlines()]


@dataclass(frozen=True)
class Program:
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Done:
        self.capsys.readouterr()
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["mezzotint", *arguments])
            with pytest.raises(SystemExit) as ended:
                run()
        wrote = self.capsys.readouterr()
        return Done(ended.value.code, wrote.out, wrote.err)
