#!/usr/bin/env bash
# Installs a release of Provost after checking its checksum.
#
# usage: install.sh VERSION FOLDER
#   VERSION            without the v, e.g. 0.1.0
#   FOLDER             where the executable goes; it is made
#   PROVOST_RELEASES   the address below which v<VERSION>/<archive> lies
set -euo pipefail

version=${1:?usage: install.sh VERSION FOLDER}
folder=${2:?usage: install.sh VERSION FOLDER}
releases=${PROVOST_RELEASES:?the address of the releases is not set}

machine=$(uname -s)/$(uname -m)
if [[ $machine != Linux/x86_64 ]]; then
  echo "provost: releases are for Linux on x86_64, and this is $machine; build it with: cargo install --locked --git <repository> provost" >&2
  exit 2
fi

name=provost-$version-x86_64-linux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
  curl --fail --silent --show-error --location --proto '=https,file' --retry 3 --max-time 300 \
    --output "$work/$file" "${releases%/}/v$version/$file"
done
(cd "$work" && sha256sum --check --strict --quiet "$name.tar.gz.sha256")
mkdir -p "$folder"
tar -xzf "$work/$name.tar.gz" -C "$work" "$name/provost"
install -m 0755 "$work/$name/provost" "$folder/provost"
"$folder/provost" --version
