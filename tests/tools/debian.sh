#!/usr/bin/env bash
# Unpacks a package of Debian outside of the checkout, once, and prints the folder. Nothing is installed: a server of the package is not
# started, and no file of the machine changes. The libraries that its programs need must be there.
#
#   debian.sh PACKAGE
set -euo pipefail

fail() {
    echo "tests/tools: $1" >&2
    exit 1
}

package=$1
# As root, since the user of apt may not write here. One at a time, as the tests do when they install a package.
apt() {
    flock /var/lib/dpkg apt-get -qq -o APT::Sandbox::User=root "$@" >&2
}
command -v apt-get >/dev/null || fail "apt-get is missing, which downloads $package; the tests need a machine with Debian"
command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing, which unpacks $package"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/angzarr
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
unpacked=$cache/$package-$release
mkdir -p "$cache"
(
    # Only one at a time, since checkouts share the folder.
    flock 9
    if [ ! -e "$unpacked" ]; then
        echo "Downloading $package (once) …" >&2
        rm -rf "$unpacked.new"
        mkdir -p "$unpacked.new/archive"
        cd "$unpacked.new/archive"
        # A new machine needs the package lists first.
        apt download "$package" || { apt update && apt download "$package"; } \
            || fail "apt-get could not download $package"
        dpkg-deb --extract ./*.deb .. || fail "$package could not be unpacked"
        cd ..
        rm -r archive
        mv "$unpacked.new" "$unpacked"
    fi
) 9>"$cache/$package.lock"
echo "$unpacked"
