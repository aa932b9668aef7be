#!/usr/bin/env bash
# units.sh: what must run without anyone logged in. Settings by standard input, one KEY=VALUE a line:
# HOST_IDLE_MINUTES (0 = never), HOST_SPOT, HOST_GPU, HOST_METRICS_URLS, HOST_ORDER.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

units=${HOST_UNITS:-/etc/systemd/system}
keep "$HOST_ETC/watch.env" 0644
value() { sed -n "s/^$1=//p" "$HOST_ETC/watch.env"; }

mkdir -p "$SAVED"
value HOST_ORDER | tr ' ' '\n' | sed '/^$/d' | keep "$SAVED/order" 0600
for unit in "$here"/../units/chartwell-{containers,spot,idle}.service "$here"/../units/chartwell-idle.timer; do
  # shellcheck disable=SC2094 # two different files
  keep "$units/$(basename "$unit")" 0644 <"$unit"
done
systemctl daemon-reload
systemctl enable -q chartwell-containers.service
switch() { # unit, yes or anything else
  if [ "$2" = yes ]; then systemctl enable -q --now "$1"; else systemctl disable -q --now "$1"; fi
}
switch chartwell-spot.service "$(value HOST_SPOT)"
switch chartwell-idle.timer "$([ "$(value HOST_IDLE_MINUTES)" -gt 0 ] && echo yes || echo no)"
say "units: containers at boot; spot $(value HOST_SPOT); idle minutes $(value HOST_IDLE_MINUTES)"
