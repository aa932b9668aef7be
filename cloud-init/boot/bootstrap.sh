#!/usr/bin/env bash
# Disk, driver, Docker, in this order, at every boot. Ends with boot.ready or boot.failed; a driver that needs a
# reboot ends with neither, and the waiting script (wait.sh) reboots.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=progress.sh
. "$folder/progress.sh"

mkdir -p "$HOST_STATE"
rm -f "$HOST_STATE/boot.ready" "$HOST_STATE/boot.failed" "$HOST_STATE/reboot-needed" \
  "$HOST_STATE/reason"
log="$HOST_STATE/boot.log"
# On the console, where the deployer reads it before trusting the machine that answers at the address
# (infra/components/host_key.py).
key=${HOST_SSH_KEY:-/etc/ssh/ssh_host_ed25519_key.pub}
[ ! -r "$key" ] || say "host key $(cut -d' ' -f1,2 "$key")"

for step in ${HOST_BOOT_STEPS:-disk driver docker}; do
  if ! "$folder/$step.sh" >>"$log" 2>&1; then
    reason=$(cat "$HOST_STATE/reason" 2>/dev/null || tail -n 1 "$log")
    put boot.failed "$step: ${reason:-no output; see $log}"
    phase failed "$step"
    echo "boot failed: $step: ${reason:0:300}"
    exit 1
  fi
  [ ! -e "$HOST_STATE/reboot-needed" ] || exit 0
done
put boot.ready "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
phase ready
echo "boot ready"
