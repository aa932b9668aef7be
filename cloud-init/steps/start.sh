#!/usr/bin/env bash
# start.sh: at boot, brings the containers back in their order, each ready before the next: a model that comes late
# finds its part of the card, instead of a race for memory.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

[ -s "$SAVED/order" ] || exit 0
failed=0
while read -r name; do
  bash "$here/container.sh" "$name" --kept </dev/null || failed=1
done <"$SAVED/order"
exit "$failed"
