#!/bin/sh
# Makes a small Debian system with Python, gcc and Node from Debian's packages, as a tar for `belljar image import`.
#
#     packaging/debian-image.sh debian.tar
#     belljar image import debian.tar debian
#
# Needs mmdebstrap (Debian package of that name), and root, or user namespaces with /etc/subuid. Other suites and packages:
#
#     packaging/debian-image.sh debian.tar trixie python3,python3-numpy
#
# What is in the tar is as Debian made it but for documentation and translations, which are left out.
set -eu

output=${1:?usage: $0 OUTPUT.tar [SUITE [PACKAGES]]}
suite=${2:-bookworm}
packages=${3:-python3,gcc,libc6-dev,make,nodejs}

if ! command -v mmdebstrap > /dev/null; then
    echo "$0: mmdebstrap is not installed: apt-get install mmdebstrap" >&2
    exit 1
fi

# "essential" is dpkg and what cannot be left out; apt itself is not among it. Indexes and caches of apt are removed by mmdebstrap.
exec mmdebstrap --variant=essential --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$suite" "$output"
