#!/usr/bin/env bash
# first_administrator.sh: shows the user who may log in here the one-time link for the first administrator. The service
# writes it into a file that only its own account and root read; a link that was used opens nothing, and goes at the
# next start.
set -euo pipefail
link="${HOST_MOUNT_POINT:-/data}/app/state/first-administrator.link"
unit=chartwell-service.service

# A link works for a day. One that has aged is made again by a start; no one is cut off, for no one is signed in.
if [ -n "$(find "$link" -mmin +1380 2>/dev/null)" ]; then
  touch -d '2 days ago' "$link"
  systemctl restart "$unit"
  for _ in $(seq 60); do
    [ -n "$(find "$link" -mmin -60 2>/dev/null)" ] && break
    sleep "${HOST_POLL_SECONDS:-1}"
  done
fi
if [ ! -s "$link" ]; then
  echo "There is no link: there is an administrator already, or the service has not started:" >&2
  echo "systemctl status $unit (docs/troubleshooting-aws.md#service)" >&2
  exit 1
fi
cat "$link"
