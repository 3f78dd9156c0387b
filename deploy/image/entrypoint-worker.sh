#!/bin/sh
# An engine of the existing composite handler: works on what is queued.
set -eu
exec "$(dirname "$0")/entrypoint.sh" mezzotint work
