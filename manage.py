#!/usr/bin/env python
"""Django's own commands, where programs that know Django look for them: `mezzotint manage` does the same."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mezzotint.site.settings")
    from django.core.management import execute_from_command_line

    from mezzotint.settings.parsing import keep_private

    keep_private(os.environ)

    execute_from_command_line(sys.argv)
