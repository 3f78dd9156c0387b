#!/usr/bin/env bash
# What the pages have of others, from packages that are locked by hash, into the static files.
#
#   frontend/install.sh PYTHON
set -euo pipefail
python=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/npm.sh"

into="$here/../src/mezzotint/browse/static/packages"
mkdir -p "$into"
sed '/^\/\/# sourceMappingURL=/d' "$packages/openseadragon/build/openseadragon/openseadragon.min.js" \
    >"$into/openseadragon.js"
sed '/^\/\/# sourceMappingURL=/d' "$packages/tus-js-client/dist/tus.min.js" >"$into/tus.js"
cp "$packages/tus-js-client/LICENSE" "$into/tus.LICENSE.txt"
cp "$packages/openseadragon/LICENSE.txt" "$into/openseadragon.LICENSE.txt"
