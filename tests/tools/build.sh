#!/usr/bin/env bash
# Builds a tool written in Go, once for each version of its go.sum, outside of the checkout, and prints its path.
#
#   build.sh NAME
#
# NAME is a folder next to this file with a go.mod that names the tool.
set -euo pipefail

fail() {
    echo "tests/tools: $1" >&2
    exit 1
}

name=$1
cd "$(dirname "${BASH_SOURCE[0]}")/$name"
command -v go >/dev/null || fail "go is missing, which builds $name from its module; install Go"

key=$({ go env GOVERSION GOOS GOARCH; cat go.mod go.sum; } | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/angzarr
program=$cache/$name-$key
mkdir -p "$cache"
(
    # Only one at a time, since checkouts share the folder.
    flock 9
    if [ ! -e "$program" ]; then
        echo "Building $name (once) …" >&2
        tool=$(go mod edit -json | sed -n 's/.*"Path": "\(.*\/cmd\/.*\)".*/\1/p' | head -n 1)
        go build -mod=readonly -ldflags=-s -o "$program.new" "$tool" >&2 || fail "$name could not be built"
        mv "$program.new" "$program"
    fi
) 9>"$cache/$name.lock"
echo "$program"
