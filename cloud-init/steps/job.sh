#!/usr/bin/env bash
# job.sh SOURCE WAIT_SECONDS REGION: runs the ingestion of SOURCE under systemd and reports. It goes on when the connection,
# the deployment or the host ends, and what is stored already is skipped when it starts again. The last line is the
# status, one JSON object: state is finished, incomplete (some notes were rejected), running (the wait is over, the
# job is not), or failed.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

source_uri=${1:?source}
wait_seconds=${2:?seconds}
region=${3:?region}
unit=chartwell-vectorize.service
units=${HOST_UNITS:-/etc/systemd/system}

get() { systemctl show -P "$1" "$unit"; }

status() { # state, exit code
  printf '{"state":"%s","exit":%d,"source":"%s","seconds":%d}\n' "$1" "$2" "$source_uri" "$SECONDS"
}

case $source_uri in
  *[!A-Za-z0-9._:/+=-]*) die "The source $source_uri has a character that a unit file cannot carry." job ;;
esac
keep "$units/$unit" 0644 <"$(dirname "$0")/../units/$unit"
printf 'JOB_SOURCE=%s\nAWS_DEFAULT_REGION=%s\n' "$source_uri" "$region" | keep "$HOST_ETC/job.env" 0644
systemctl daemon-reload
# After a stop the host goes on by itself; what is stored is skipped.
systemctl enable -q "$unit"
case $(get ActiveState) in
  active | activating | reloading | deactivating) say "ingestion: already running" ;;
  *)
    systemctl reset-failed "$unit" 2>/dev/null || true
    # Type=exec: this comes back as soon as the program runs.
    systemctl start "$unit" || true
    say "ingestion: started"
    ;;
esac

said=0
while :; do
  state=$(get ActiveState)
  case $state in
    inactive | failed) break ;;
  esac
  if [ "$SECONDS" -ge "$wait_seconds" ]; then
    say "ingestion: still running after $SECONDS s; it goes on. Follow it: journalctl -fu $unit"
    status running 0
    exit 0
  fi
  if [ $((SECONDS - said)) -ge 30 ]; then
    said=$SECONDS
    say "ingestion: $SECONDS s: $state, $(journalctl -u "$unit" -n 1 -o cat --no-pager 2>/dev/null | cut -c 1-160)"
  fi
  sleep "${HOST_POLL_SECONDS:-2}"
done

code=$(get ExecMainStatus)
tail_of_log() { journalctl -u "$unit" -n 20 -o cat --no-pager 2>/dev/null | cut -c 1-200 || true; }
if [ "$state" = inactive ] && [ "$code" = 0 ]; then
  status finished 0
elif [ "$code" = 1 ]; then
  # One bad note must not keep the stack from coming up.
  say "ingestion: some notes are not in; the last lines of its log say which and why:"
  tail_of_log
  status incomplete 1
else
  say "ingestion: the last lines of its log:"
  tail_of_log
  status failed "$code"
  die "The ingestion ended with $code. Correct the cause; the next up goes on where it was." job
fi
