#!/usr/bin/env bash
# Runs every minute. Busy = a person is logged in, a lease or a job is held (the service holds one while people ask or
# its own jobs go on: CHARTWELL_SERVICE__ACTIVITY_FILE), a model answered since the last look, or the GPU works. What cannot be asked counts as busy: a host that stays on costs a dollar an hour, one that
# stops under an ingestion costs the night. After HOST_IDLE_MINUTES without any of these it powers off.
set -euo pipefail

minutes=${HOST_IDLE_MINUTES:?}
run=${HOST_RUN:-/run/chartwell}
data=${HOST_MOUNT_POINT:-/data}
state=${HOST_STATE:-/var/lib/chartwell}
now=${HOST_NOW:-$(date +%s)}
gpu_percent_max=5
lease_seconds=600 # a lease is renewed more often than this, or its holder is gone

mkdir -p "$run" "$state"

# Counters that move with requests, not with health probes: vLLM's (1.x bare, 2.x with prefix), Triton's.
counters='^(vllm:)?(num_requests_(running|waiting)|prompt_tokens_total|request_success_total)|^nv_inference_request_success'

reasons=()
busy() { reasons+=("$1"); }

look_at_people() {
  local who
  who=$(who) || { busy "unknown: who"; return; }
  [ -z "$who" ] || busy "someone is logged in"
}

look_at_work() {
  local lease unit unit_state
  for lease in "$run"/leases/* "$data"/app/leases/*; do
    [ -e "$lease" ] || continue
    [ $((now - $(stat -c %Y "$lease"))) -ge "$lease_seconds" ] || busy "lease $(basename "$lease")"
  done
  for unit in chartwell-boot chartwell-containers chartwell-vectorize; do
    unit_state=$(systemctl show -P ActiveState "$unit.service" 2>/dev/null) || unit_state=unknown
    [ -n "$unit_state" ] || unit_state=unknown
    case $unit in
      chartwell-vectorize) case $unit_state in inactive | failed) ;; *) busy "$unit: $unit_state" ;; esac ;;
      *) case $unit_state in activating | reloading | unknown) busy "$unit: $unit_state" ;; esac ;;
    esac
  done
}

look_at_requests() {
  local url text seen before
  for url in ${HOST_METRICS_URLS:-}; do
    text=$(curl -fsS -m 5 "$url" 2>/dev/null) || { busy "unknown: $url"; continue; }
    seen=$(printf '%s\n' "$text" | grep -E "$counters" | sort) || { busy "unknown: no counters at $url"; continue; }
    if printf '%s\n' "$seen" | grep -E 'num_requests_' | grep -Eqv ' 0(\.0)?$'; then busy "requests at $url"; fi
    before="$run/counters-$(printf '%s' "$url" | tr -c 'A-Za-z0-9' _)"
    [ "$seen" = "$(cat "$before" 2>/dev/null)" ] || busy "requests since the last look at $url"
    printf '%s\n' "$seen" >"$before"
  done
}

look_at_gpu() {
  local percent
  [ "${HOST_GPU:-yes}" = yes ] || return 0
  percent=$(nvidia-smi --query-gpu=utilization.gpu --format=csv,noheader,nounits 2>/dev/null | sort -rn | head -n 1)
  case $percent in
    '' | *[!0-9]*) busy "unknown: nvidia-smi" ;;
    *) [ "$percent" -le "$gpu_percent_max" ] || busy "GPU at $percent %" ;;
  esac
}

look_at_people
look_at_work
look_at_requests
look_at_gpu || busy "unknown: gpu"

if [ "${#reasons[@]}" -gt 0 ]; then
  printf '%s\n' "$now" >"$run/last-busy"
  printf '{"busy":true,"why":"%s"}\n' "${reasons[0]}" >"$state/idle.json"
  exit 0
fi
# The first look after a boot starts the count.
[ -s "$run/last-busy" ] || printf '%s\n' "$now" >"$run/last-busy"
idle=$(((now - $(cat "$run/last-busy")) / 60))
printf '{"busy":false,"idle_minutes":%d,"limit_minutes":%d}\n' "$idle" "$minutes" >"$state/idle.json"
if [ "$idle" -ge "$minutes" ]; then
  echo "idle for $idle minutes: powering off"
  sync
  systemctl poweroff
fi
