#!/usr/bin/env bash
# Builds the tools of a Go module, once for each version of them, outside of the checkout, and prints the path of the tool, or of the folder of
# the tools if the module names more than one.
#
#   build.sh NAME
#
# NAME is a folder next to this file with a go.mod that names the tools. A file `variables` in it sets variables of the programs, one
# `package.name=value` on each line.
set -euo pipefail

fail() {
    echo "tests/tools: $1" >&2
    exit 1
}

name=$1
cd "$(dirname "${BASH_SOURCE[0]}")/$name"
command -v go >/dev/null || fail "go is missing, which builds $name from its module; install Go"

variables=()
if [ -e variables ]; then
    mapfile -t variables < <(sed 's/^/-X=/' variables)
fi
linking="-s ${variables[*]}"
mapfile -t tools < <(go mod edit -json | sed -n '/"Tool": \[/,/\]/s/.*"Path": "\(.*\)".*/\1/p')

key=$({ go env GOVERSION GOOS GOARCH; echo "$linking"; cat go.mod go.sum; find . -name "*.go" -exec cat {} +; } | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/angzarr
built=$cache/$name-$key
mkdir -p "$cache"
(
    # Only one at a time, since checkouts share the folder.
    flock 9
    if [ ! -e "$built" ]; then
        echo "Building $name (once) …" >&2
        target=$built.new
        if [ "${#tools[@]}" -gt 1 ]; then
            mkdir -p "$target"
            target=$target/
        fi
        # Without C, so that the programs run on any machine and in any image.
        CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags="$linking" -o "$target" "${tools[@]}" >&2 \
            || fail "$name could not be built"
        mv "$built.new" "$built"
    fi
) 9>"$cache/$name.lock"
echo "$built"
