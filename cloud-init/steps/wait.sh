#!/usr/bin/env bash
# Waits until the boot is done and prints where it stands: `bash -s SECONDS <wait.sh`, since nothing has been shipped
# yet. Ends with 0 when ready, 1 with the reason when failed or late. A boot that had failed before is tried once more.
# If the driver needs a reboot it stops taking new connections, reboots three seconds later and ends with 0, so that the
# connection closes in order; the next wait then finds the host booting.
set -euo pipefail
HOST_STATE=${HOST_STATE:-/var/lib/chartwell}
limit=${1:?seconds}
log="$HOST_STATE/boot.log"
shown=

# The markers of an earlier boot are on the disk until this boot's unit starts and removes them; SSH answers before.
begun() {
  local unit_state
  unit_state=$(systemctl show -P ActiveState chartwell-boot.service 2>/dev/null) || return 0
  [ "$unit_state" != inactive ]
}

# A mirror that was away or a lock that was held has passed by now; what has not passed fails again within seconds.
tried_again() {
  [ "$waited" -eq 0 ] && [ -z "$again" ] || return 1
  again=yes
  mv -f "$HOST_STATE/boot.failed" "$HOST_STATE/boot.failed-before"
  if systemctl restart --no-block chartwell-boot.service 2>/dev/null; then return 0; fi
  mv -f "$HOST_STATE/boot.failed-before" "$HOST_STATE/boot.failed"
  return 1
}

again=
for ((waited = 0; waited <= limit; waited++)); do
  if begun && [ -e "$HOST_STATE/boot.ready" ]; then
    echo "boot: ready"
    exit 0
  fi
  if begun && [ -e "$HOST_STATE/boot.failed" ]; then
    if tried_again; then
      echo "boot: had failed: $(head -c 600 "$HOST_STATE/boot.failed-before"); trying once more"
      sleep 1
      continue
    fi
    echo "boot: failed: $(head -c 600 "$HOST_STATE/boot.failed")"
    tail -n 20 "$log" 2>/dev/null | cut -c 1-200
    exit 1
  fi
  if begun && [ -e "$HOST_STATE/reboot-needed" ]; then
    echo "boot: rebooting once: $(head -c 200 "$HOST_STATE/reboot-needed")"
    rm -f "$HOST_STATE/reboot-needed"
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
