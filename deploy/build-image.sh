#!/usr/bin/env bash
# Builds the image without a Docker daemon: by buildah, as root, on a Debian that debootstrap makes. For CI, and where
# there is no Docker. What was built is kept, and built anew only when something that goes into it has changed.
# Ends with 3, saying why, where this machine cannot.
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
name=localhost/${1:-mezzotint} base=localhost/mezzotint-base

cannot() {
    echo "the image cannot be built here: $1" >&2
    exit 3
}
[ "$(id -u)" = 0 ] || cannot "that needs root"
for program in buildah debootstrap; do
    command -v "$program" >/dev/null || cannot "there is no $program; on Debian: apt-get install buildah debootstrap"
done

into_it=(Dockerfile README.md pyproject.toml requirements/run.txt requirements/node.txt frontend manage.py deploy/image src)
source=$({
    find "${into_it[@]}" -type f -not -path '*/__pycache__/*' -printf '%m %p\n' | sort
    find "${into_it[@]}" -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
} | sha256sum | cut -d' ' -f1)
built=$(buildah inspect --type image --format '{{index .OCIv1.Config.Labels "mezzotint.source"}}' "$name" 2>/dev/null || true)
if [ "$built" = "$source" ]; then
    echo "$name is what it would be built to"
    exit 0
fi

work=$(mktemp -d) container=
trap 'rm -rf --one-file-system "$work"; if [ "$container" ]; then buildah rm "$container" >/dev/null; fi' EXIT
if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    echo "making a Debian to build on"
    mirror=$({ cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true; } |
        sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e 's/^deb *\(\[[^]]*\] *\)\?\([^ ]*\).*/\2/p' | head -n 1)
    debootstrap --variant=minbase bookworm "$work/base" "$mirror" >"$work/log" ||
        { tail -n 5 "$work/log" >&2; cannot "debootstrap does not work"; }
    rm -rf "$work"/base/usr/share/{doc,info,lintian,locale,man}/* "$work"/base/var/{cache/apt,lib/apt/lists}/*  # as Debian's own slim image
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/base" / >/dev/null
    buildah commit --quiet --rm "$container" "$base" >/dev/null
    container=
fi

# How this machine finds packages, for the time of the build.
mounts=()
paths=(/etc/apt/apt.conf.d)
if grep -q '^VERSION_CODENAME=bookworm$' /etc/os-release; then
    paths+=(/etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/keyrings /usr/share/keyrings)
fi
for path in "${paths[@]}"; do
    if [ -e "$path" ]; then mounts+=(-v "$path:$path:ro"); fi
done
mounts+=(-v /etc/ssl/certs/ca-certificates.crt:/run/certificates.crt:ro)
{
    echo "[global]"
    echo "cert = /run/certificates.crt"
    python3 -m pip config list 2>/dev/null |
        sed -n -E "s/^(:env:|global|install)\.(index-url|extra-index-url|proxy|trusted-host)='(.*)'/\1 \2 = \3/p" |
        sed -e 's/^:env:/1/; s/^install/2/; s/^global/3/' | # of several the first counts, as pip has it
        LC_ALL=C sort | awk '{ $1 = ""; if (!given[$2]++) print }' | sed 's/^ //'
} >"$work/pip.conf"
mounts+=(-v "$work/pip.conf:/etc/pip.conf:ro")
{ cat ~/.npmrc 2>/dev/null || true; echo; echo "cafile=/run/certificates.crt"; } >"$work/npmrc"
mounts+=(-v "$work/npmrc:/root/.npmrc:ro")

container=$(buildah from "$base")
buildah run "$container" -- true 2>"$work/log" ||
    { cat "$work/log" >&2; cannot "buildah may not run anything in a root of its own"; }
buildah run "${mounts[@]}" "$container" -- apt-get update >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log" >&2; cannot "Debian's packages are out of reach"; }

buildah bud --quiet --layers --build-arg "BASE=$base" --label "mezzotint.source=$source" "${mounts[@]}" -t "$name" . >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; exit 1; }
echo "built $name"
