#!/usr/bin/env bash
# first_administrator.sh: shows whoever may log in here the one-time link for the first administrator. Each call makes a
# new link and ends the one before; none is made once there is an administrator. Nothing of it is kept but a hash.
set -euo pipefail
app="${HOST_MOUNT_POINT:-/data}/app"
cd "$app"
# Nothing in this file needs quotes: pipeline.sh refuses what would.
set -a
# shellcheck source=/dev/null
. "$app/chartwell.env"
set +a
exec runuser -u "${HOST_USER:-chartwell}" -- "$app/current/bin/python" -m pipeline.people first-administrator
