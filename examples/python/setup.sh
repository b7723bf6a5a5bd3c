#!/usr/bin/env bash
# Prepares the shop's logic in Python and writes a launcher for each program.
#
#   setup.sh FOLDER
#
# FOLDER gets the modules generated from the .proto files, and programs with the same names as those in Rust in bin/. The packages of
# requirements.txt are installed once for each version of that file, outside of the checkout.
set -euo pipefail

out=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
    echo "examples/python: $1" >&2
    exit 1
}

# Python with venv and pip; Debian has them in a separate package.
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "Python 3 with venv is missing; install it (Debian: apt-get install python3-venv)"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null \
        || fail "Python 3 with venv could not be installed by apt-get"
fi

key=$({ python3 -c 'import sys; print(sys.base_prefix, sys.version)'; cat "$here/requirements.txt"; } | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/angzarr
venv=$cache/python-$key
mkdir -p "$cache"
(
    # Only one at a time, since checkouts share the folder.
    flock 9
    if [ ! -e "$venv/complete" ]; then
        echo "Installing the packages of examples/python/requirements.txt (once) …"
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check -r "$here/requirements.txt" \
            || fail "the packages of requirements.txt could not be installed"
        touch "$venv/complete"
    fi
) 9>"$cache/python.lock"

protos=(angzarr/v1/logic.proto angzarr/v1/types.proto shop/customer/v1/customer.proto)
"$venv/bin/python" -m grpc_tools.protoc -I "$here/../../proto" -I "$here/../proto" \
    --python_out="$out" --grpc_python_out="$out" "${protos[@]}"

mkdir -p "$out/bin"
for program in customer; do
    cat >"$out/bin/shop-$program" <<LAUNCHER
#!/bin/sh
PYTHONPATH='$out' PYTHONPYCACHEPREFIX='$out/cache' exec '$venv/bin/python' '$here/$program.py'
LAUNCHER
    chmod +x "$out/bin/shop-$program"
done
