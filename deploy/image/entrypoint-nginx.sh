#!/bin/sh
# nginx in front of the server that MEZZOTINT_BIND names, as `mezzotint nginx-config` has it for these settings.
# NGINX_USER says who its workers are where the container runs as root; nobody without it.
set -eu
listen=${1:-8080}
config=$(mktemp)
mezzotint nginx-config --listen "$listen" ${NGINX_USER:+--user "$NGINX_USER"} >"$config"
exec nginx -c "$config" -g 'daemon off;'
