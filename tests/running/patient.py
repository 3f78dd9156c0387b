"""`mezzotint` for `make coverage`: its workers are not killed as they write down which lines they have run."""

from __future__ import annotations

from mezzotint.cli import main, serving

serving._TO_FINISH = serving._PATIENCE = 15
main()
