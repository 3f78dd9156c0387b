#!/usr/bin/env bash
# The viewers that tests open manifests with, into .tools/viewers.
#
#   frontend/viewers/install.sh PYTHON
set -euo pipefail
python=$1
here=$(cd "$(dirname "$0")" && pwd)
into="$here/../../.tools/viewers"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
. "$here/../npm.sh"

cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$scratch"
(cd "$scratch" && $npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
mkdir -p "$into"
cp "$scratch/node_modules/mirador/dist/mirador.min.js" "$into/mirador.js"
cp "$scratch/node_modules/tify/dist/tify.js" "$scratch/node_modules/tify/dist/tify.css" "$into"
