#!/usr/bin/env bash
# Prints the path of a pulumi that is 3.200 or newer: the one on PATH, else one built from the Go module proxy into a
# cache outside the repository (24 minutes of CPU and 120 MB, once). Exit 3: there is neither pulumi nor a Go that can
# build it. `--cached` builds nothing.
set -euo pipefail
cd "$(dirname "$0")"
version=$(awk '$1 == "github.com/pulumi/pulumi/pkg/v3" { print $2; exit }' go.mod)
cached="${XDG_CACHE_HOME:-$HOME/.cache}/chartwell/engine/pulumi-$version"
fit() { "$1" version 2>/dev/null | grep -Eq '^v3\.[2-9][0-9][0-9]\.'; }

if installed=$(command -v pulumi) && fit "$installed"; then echo "$installed"; exit 0; fi
if [ -x "$cached" ] && fit "$cached"; then echo "$cached"; exit 0; fi
if [ "${1:-}" = --cached ]; then echo "no pulumi on PATH, none built: make engine" >&2; exit 3; fi
if ! command -v go >/dev/null; then echo "neither pulumi nor Go is installed" >&2; exit 3; fi

mkdir -p "$(dirname "$cached")"
echo "building pulumi $version (ten minutes and more, once)" >&2
partial=$(mktemp "$cached.XXXXXX")
trap 'rm -f "$partial"' EXIT
go build -trimpath -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" \
  -o "$partial" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi >&2
chmod 755 "$partial"
mv "$partial" "$cached"
trap - EXIT
echo "$cached"
