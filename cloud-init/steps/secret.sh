#!/usr/bin/env bash
# secret.sh NAME: keeps standard input as a secret that only root reads. With NAME.env the file is one line VAR=...,
# as `docker run --env-file` wants it.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p "$SECRETS"
chmod 0700 "$SECRETS"
keep "$SECRETS/${1:?name}" 0400
[ -s "$SECRETS/$1" ] || die "The secret $1 came empty." services
