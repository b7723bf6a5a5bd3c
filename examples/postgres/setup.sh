#!/bin/bash
# Prepares the shop for PostgreSQL: writes its resources into the folder shop of the given folder, and local.yaml next to it with the
# Secret that the store refers to. ANGZARR_POSTGRES_URL is the database.
set -euo pipefail
umask 077
: "${ANGZARR_POSTGRES_URL:?set it to the database, such as postgres://user:password@localhost:5432/shop}"
examples=$(dirname "$0")/..
mkdir -p "$1"
rm -rf "$1/shop"
cp -r "$examples/shop" "$1/shop"
cp "$examples/postgres/event-store.yaml" "$1/shop/event-store.yaml"
{
    cat "$examples/local.yaml"
    printf 'secrets:\n  shop-db:\n    uri: "%s"\n' "$ANGZARR_POSTGRES_URL"
} > "$1/local.yaml"
