#!/usr/bin/env bash
# Runs every minute as root and writes down what only root may ask, for the monitor, which is unprivileged: the state of
# the containers (never their environment, arguments or logs) and the size of the database. Docker's socket is as good as
# root, so it is not given to the monitor's user.
set -euo pipefail
umask 022

folder=${RUNTIME_DIRECTORY:-/run/chartwell-state}
data=${HOST_MOUNT_POINT:-/data}
# As FORMAT in pipeline/monitoring/probes/containers.py; a test holds them together.
format='{"name":{{json .Name}},"status":{{json .State.Status}},"restarts":{{.RestartCount}},"started_at":{{json .State.StartedAt}},"exit_code":{{.State.ExitCode}},"killed_for_memory":{{.State.OOMKilled}},"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}null{{end}}}'

containers() {
  local ids found
  if ! ids=$(timeout 10 docker ps --all --quiet --no-trunc 2>&1); then
    printf '"docker_error":"%s"' "$(printf '%s' "$ids" | tr -d '"\\[:cntrl:]' | cut -c 1-200)"
    return
  fi
  # A container that is removed meanwhile is missing in the answer, and no fault.
  # shellcheck disable=SC2086 # a list of ids
  found=$([ -z "$ids" ] || timeout 10 docker inspect --format "$format" $ids 2>/dev/null || true)
  printf '"containers":[%s]' "$(printf '%s' "$found" | paste -sd, -)"
}

iris_bytes() {
  find "$data/iris" -name IRIS.DAT -printf '%s\n' 2>/dev/null | awk '{ total += $1 } END { printf "%.0f", total }' || true
}

mkdir -p "$folder"
bytes=$(iris_bytes)
printf '{%s%s}\n' "$(containers)" "${bytes:+,\"iris_bytes\":$bytes}" >"$folder/host.json.new"
mv -f "$folder/host.json.new" "$folder/host.json"
