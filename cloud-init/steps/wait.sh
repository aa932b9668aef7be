#!/usr/bin/env bash
# Waits until the boot is done and prints where it stands: `bash -s SECONDS <wait.sh`, since nothing has been shipped
# yet. Ends with 0 when ready, 1 with the reason when failed or late. If the driver needs a reboot it stops taking new connections, reboots three seconds later and
# ends with 0, so that the connection closes in order; the next wait then finds the host booting.
set -euo pipefail
HOST_STATE=${HOST_STATE:-/var/lib/chartwell}
limit=${1:?seconds}
log="$HOST_STATE/boot.log"
shown=
for ((waited = 0; waited <= limit; waited++)); do
  if [ -e "$HOST_STATE/boot.ready" ]; then
    echo "boot: ready"
    exit 0
  fi
  if [ -e "$HOST_STATE/boot.failed" ]; then
    echo "boot: failed: $(head -c 600 "$HOST_STATE/boot.failed")"
    tail -n 20 "$log" 2>/dev/null | cut -c 1-200
    exit 1
  fi
  if [ -e "$HOST_STATE/reboot-needed" ]; then
    echo "boot: rebooting once: $(head -c 200 "$HOST_STATE/reboot-needed")"
    systemctl stop ssh.socket ssh.service 2>/dev/null || true
    systemd-run -q --on-active=3 systemctl reboot
    exit 0
  fi
  now=$(sed 's/.*"phase":"\([^"]*\)".*"detail":"\([^"]*\)".*/\1 \2/' "$HOST_STATE/progress.json" 2>/dev/null ||
    echo "not started")
  if [ "$now" != "$shown" ] || [ $((waited % 15)) -eq 0 ]; then
    echo "boot: ${waited} s: ${now:0:200}"
    shown=$now
  fi
  sleep 1
done
echo "boot: not ready after $limit s. (docs/troubleshooting-aws.md#host-boot)"
tail -n 20 "$log" 2>/dev/null | cut -c 1-200
exit 1
