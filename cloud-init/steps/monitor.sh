#!/usr/bin/env bash
# monitor.sh: keeps the monitor running, and the timer that tells it what only root may ask. Comes after pipeline.sh, whose
# environment and settings it uses.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

units=${HOST_UNITS:-/etc/systemd/system}
for unit in chartwell-state.service chartwell-state.timer chartwell-monitor.service; do
  # shellcheck disable=SC2094 # two different files
  keep "$units/$unit" 0644 <"$here/../units/$unit"
done
systemctl daemon-reload
systemctl enable -q --now chartwell-state.timer
systemctl enable -q chartwell-monitor.service
# Always: the program or its settings may be others now; it goes on in the same files.
systemctl restart chartwell-monitor.service
say "monitor: running; python -m pipeline.monitor --once, or $HOST_MOUNT_POINT/app/state/monitor"
