#!/usr/bin/env bash
# service.sh PORT WAIT_SECONDS: runs the service under systemd, again where its program, settings or unit have changed,
# and waits until it answers on PORT. The last line is one JSON object: state is ready, or starting where models or
# database are not there yet: it goes on by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

port=${1:?port} wait_seconds=${2:?seconds}
app="$HOST_MOUNT_POINT/app"
unit=chartwell-service.service
units=${HOST_UNITS:-/etc/systemd/system}

answers() { curl -fsS -o /dev/null -m 10 "http://127.0.0.1:$port/$1" 2>/dev/null; }
status() { printf '{"state":"%s","seconds":%d}\n' "$1" "$SECONDS"; }

# shellcheck disable=SC2094 # two different files
keep "$units/$unit" 0644 <"$here/../units/$unit"
now=$({ readlink "$app/current" && cat "$app/chartwell.env" "$units/$unit"; } | sha256sum | cut -c 1-32)
if [ "$now" = "$(cat "$HOST_STATE/service.sum" 2>/dev/null || true)" ] && systemctl -q is-active "$unit"; then
  say "service: unchanged"
else
  systemctl daemon-reload
  systemctl enable -q "$unit"
  systemctl reset-failed "$unit" 2>/dev/null || true
  systemctl restart "$unit" || true
  printf '%s\n' "$now" | keep "$HOST_STATE/service.sum" 0600
fi

said=0
until answers healthz && answers readyz; do
  lease
  if systemctl -q is-failed "$unit"; then
    journalctl -u "$unit" -n 20 -o cat --no-pager 2>/dev/null | cut -c 1-200 || true
    die "The service does not stay up; the last lines of its log are above." service
  fi
  if [ "$SECONDS" -ge "$wait_seconds" ]; then
    answers healthz || die "The service does not answer after $SECONDS s. See: journalctl -u $unit." service
    say "service: answers; what it needs is not all there yet (see its status page)"
    status starting
    exit 0
  fi
  if [ $((SECONDS - said)) -ge 15 ]; then
    said=$SECONDS
    say "service: $SECONDS s: not ready yet"
  fi
  sleep "${HOST_POLL_SECONDS:-2}"
done
status ready
