#!/usr/bin/env bash
# Where the host stands, for anyone who may read a file: progress.json (the phase now), boot.ready, boot.failed
# (its first line is the reason). Sourced by the boot scripts.
HOST_STATE=${HOST_STATE:-/var/lib/chartwell}

# One line to the log and, on a real host, to the console, so that `get-console-output` shows it.
say() {
  local line
  line="$(date -u +%H:%M:%S) $1"
  printf '%s\n' "${line:0:400}" >&2
  if [ -w "${HOST_CONSOLE:-/dev/console}" ]; then
    printf 'chartwell: %s\n' "${line:0:400}" >"${HOST_CONSOLE:-/dev/console}" 2>&1 || true
  fi
}

# The text goes into JSON and into terminals: no quotes, backslashes or control characters, 400 at most.
plain() {
  local text
  text=$(printf '%s' "$1" | tr '\042\134' '\047/' | tr -d '\000-\037')
  printf '%s' "${text:0:400}"
}

# Written to a temporary file and renamed: a reader never sees half a file.
put() {
  mkdir -p "$HOST_STATE"
  printf '%s\n' "$2" >"$HOST_STATE/.$1.new"
  chmod 0644 "$HOST_STATE/.$1.new"
  mv -f "$HOST_STATE/.$1.new" "$HOST_STATE/$1"
}

phase() {
  local detail
  detail=$(plain "${2:-}")
  put progress.json "$(printf '{"phase":"%s","since":"%s","detail":"%s"}' \
    "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$detail")"
  say "$1${detail:+: $detail}"
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 -qq -y "$@"; }

# DPkg::Lock::Timeout does not cover the lock of the lists, which Ubuntu's own timers take just after a boot.
apt_update() {
  local tries=${HOST_APT_TRIES:-60}
  until apt_get update; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 10
  done
}

# Ends the script that calls it. $2 names the section of docs/troubleshooting-aws.md.
die() {
  mkdir -p "$HOST_STATE"
  printf '%s (docs/troubleshooting-aws.md#%s)\n' "$(plain "$1")" "${2:-host-boot}" \
    >"$HOST_STATE/reason"
  say "FAILED: $(cat "$HOST_STATE/reason")"
  exit 1
}
