#!/bin/sh
# nginx in front of the server that MEZZOTINT_BIND names, as `mezzotint nginx-config` has it for these settings.
set -eu
listen=${1:-8080}
config=$(mktemp)
mezzotint nginx-config --listen "$listen" >"$config"
exec nginx -c "$config" -g 'daemon off;'
