#!/usr/bin/env bash
# What the pages have of others, from packages that are locked by hash, into the static files.
#
#   frontend/install.sh PYTHON
set -euo pipefail
python=$1
here=$(cd "$(dirname "$0")" && pwd)
into="$here/../src/mezzotint/browse/static/packages"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
. "$here/npm.sh"

cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$scratch"
(cd "$scratch" && $npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
mkdir -p "$into"
built="$scratch/node_modules/openseadragon"
sed '/^\/\/# sourceMappingURL=/d' "$built/build/openseadragon/openseadragon.min.js" >"$into/openseadragon.js"
cp "$built/LICENSE.txt" "$into/openseadragon.LICENSE.txt"
