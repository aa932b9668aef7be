#!/usr/bin/env bash
# login.sh REGISTRY USER: the password comes by standard input and goes on by standard input. NGC wants the literal
# user $oauthtoken.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

if output=$(docker login --username "${2:?user}" --password-stdin "${1:?registry}" 2>&1); then
  say "logged in to $1"
else
  # The registry's own words, without anything that looks like a key.
  printf '%s\n' "$output" | sed 's/nvapi-[A-Za-z0-9_-]*/****/g' | grep -v WARNING | tail -n 3 | cut -c 1-200
  die "$1 refuses the key. It needs the NGC Catalog scope." registry
fi
