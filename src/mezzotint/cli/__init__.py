"""The command line: `mezzotint`."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Imports the commands late: Ctrl-C before they are there ends the program without a traceback, too."""
    gc.set_threshold(20_000, 20, 20)  # imports leave no garbage; looking for it took a sixth of a start
    try:
        from mezzotint.cli import commands
        from mezzotint.settings.parsing import keep_private

        keep_private(os.environ)
    except KeyboardInterrupt:
        sys.exit(130)
    commands.run()
