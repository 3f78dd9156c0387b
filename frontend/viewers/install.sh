#!/usr/bin/env bash
# The viewers that tests open manifests with, into .tools/viewers.
#
#   frontend/viewers/install.sh PYTHON
set -euo pipefail
python=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../npm.sh"

into="$here/../../.tools/viewers"
mkdir -p "$into"
cp "$packages/mirador/dist/mirador.min.js" "$into/mirador.js"
cp "$packages/tify/dist/tify.js" "$packages/tify/dist/tify.css" "$into"
cp "$packages/axe-core/axe.min.js" "$into/axe.js"
