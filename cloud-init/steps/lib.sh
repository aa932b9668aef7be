#!/usr/bin/env bash
# What the deployment steps share: places, secrets, containers. Sourced, never run.
# Every line printed is short: the deployer's client stops reading at lines of 64 KiB and then waits for ever.
HOST_ETC=${HOST_ETC:-/etc/chartwell}
HOST_STATE=${HOST_STATE:-/var/lib/chartwell}
HOST_MOUNT_POINT=${HOST_MOUNT_POINT:-/data}
# shellcheck disable=SC2034 # used by those who source this
SECRETS="$HOST_ETC/secrets"
# shellcheck disable=SC2034
SAVED="$HOST_ETC/containers"
LEASES="${HOST_RUN:-/run/chartwell}/leases"
umask 077

say() { printf '%s\n' "${1:0:300}"; }

# Tells the idle watch that someone works here; fades ten minutes after the last call.
lease() {
  mkdir -p "$LEASES"
  touch "$LEASES/deployment"
}

# Ends the step. $2 is the section of docs/troubleshooting-aws.md.
die() {
  say "FAILED: $1 (docs/troubleshooting-aws.md#${2:-services})"
  exit 1
}

# Puts standard input into the file $1, mode $2, and says whether that changed it. Never shows what it writes.
keep() {
  mkdir -p "$(dirname "$1")"
  cat >"$1.new"
  chmod "$2" "$1.new"
  if cmp -s "$1.new" "$1"; then
    rm -f "$1.new"
    say "$(basename "$1"): unchanged"
  else
    mv -f "$1.new" "$1"
    say "$(basename "$1"): written"
  fi
}

# Runs a command that may take minutes; prints a line every 15 s and, when it fails, its last lines.
with_patience() { # label, command...
  local label=$1 output job started=$SECONDS said=$SECONDS
  shift
  output=$(mktemp)
  "$@" >"$output" 2>&1 &
  job=$!
  lease
  while kill -0 "$job" 2>/dev/null; do
    sleep "${HOST_POLL_SECONDS:-1}"
    if [ $((SECONDS - said)) -ge 15 ]; then
      said=$SECONDS
      lease
      ! kill -0 "$job" 2>/dev/null || say "$label: $((SECONDS - started)) s"
    fi
  done
  if wait "$job"; then
    rm -f "$output"
    return 0
  fi
  tail -n 10 "$output" | cut -c 1-200
  rm -f "$output"
  return 1
}

# --- containers -------------------------------------------------------------------------------------------------
# A container is described by lines KEY=VALUE: see cloud-init/steps/container.sh.

read_spec() { # file
  image='' ready_url='' ready_exec='' ready_match='' ready_seconds=600 stop_seconds=30 fatal=''
  run_args=() command=() directories=() inputs=()
  local key value
  while IFS='=' read -r key value; do
    case $key in
      '' | '#'*) ;;
      image) image=$value ;;
      run)
        run_args+=("$value")
        case $value in --env-file=*) inputs+=("${value#--env-file=}") ;; esac
        ;;
      command) command+=("$value") ;;
      directory) directories+=("$value") ;;
      input) inputs+=("$value") ;;
      ready_url) ready_url=$value ;;
      ready_exec) ready_exec=$value ;;
      ready_match) ready_match=$value ;;
      ready_seconds) ready_seconds=$value ;;
      stop_seconds) stop_seconds=$value ;;
      fatal) fatal=$value ;;
      *) die "The description of a container has an unknown line '$key'." ;;
    esac
  done <"$1"
  [ -n "$image" ] || die "The description of a container names no image."
}

# One fingerprint of everything the container was made from, its settings files included.
fingerprint() { # spec file
  {
    grep -Ev '^(ready_|fatal|stop_seconds)' "$1"
    for input in "${inputs[@]}"; do sha256sum <"$input"; done
  } | sha256sum | cut -c 1-32
}

# path:owner:group:mode. Only the folder itself: a model cache has thousands of files, made by the right user.
make_directories() {
  local each path owner group mode
  for each in "${directories[@]}"; do
    IFS=: read -r path owner group mode <<<"$each"
    mkdir -p "$path"
    chown "$owner:$group" "$path"
    chmod "$mode" "$path"
  done
}

pull_image() {
  local try
  docker image inspect "$image" >/dev/null 2>&1 && return 0
  for try in 1 2 3; do
    with_patience "pulling ${image##*/}" docker pull -q "$image" && return 0
    say "pull failed, try $try of 3"
    sleep $((try * 5))
  done
  die "The image $image cannot be pulled." registry
}

# Leaves a container that already is what it should be alone.
ensure_container() { # name, spec file
  local name=$1 want have
  read_spec "$2"
  make_directories
  want=$(fingerprint "$2")
  have=$(docker inspect -f '{{index .Config.Labels "chartwell.spec"}} {{.State.Status}}' "$name" 2>/dev/null || true)
  case $have in
    "$want running")
      say "$name: unchanged"
      return 0
      ;;
    "$want restarting")
      say "$name: restarts by itself"
      return 0
      ;;
    "$want exited" | "$want created")
      docker start "$name" >/dev/null
      say "$name: started again"
      return 0
      ;;
  esac
  pull_image
  if [ -n "$have" ]; then
    # One GPU cannot hold the old and the new one: stop first.
    docker stop -t "$stop_seconds" "$name" >/dev/null 2>&1 || true
    docker rm -f "$name" >/dev/null
  fi
  docker run --detach --name "$name" --label "chartwell.spec=$want" --restart on-failure:5 \
    --stop-timeout "$stop_seconds" "${run_args[@]}" "$image" "${command[@]}" >/dev/null ||
    die "Docker could not start $name." services
  say "$name: ${have:+re}created"
}

last_lines() { # name
  say "$1: the container's last lines:"
  docker logs --tail 20 "$1" 2>&1 | cut -c 1-200
}

is_ready() { # name
  if [ -n "$ready_url" ]; then
    # -f: a NIM that still loads answers 503, which is not ready.
    curl -fsS -o /dev/null -m 5 "$ready_url" 2>/dev/null
  elif [ -n "$ready_exec" ]; then
    local words
    read -ra words <<<"$ready_exec"
    # Not -q: it would end before the writer has, which pipefail takes for a failure.
    docker exec "$1" "${words[@]}" 2>/dev/null | grep -E "${ready_match:-.}" >/dev/null
  fi
}

# The log of a container goes on over its restarts; what an earlier run died of may be over.
lines_of_this_run() { # name
  local began
  began=$(docker inspect -f '{{.State.StartedAt}}' "$1" 2>/dev/null) || return 0
  docker logs --tail 200 --since "$began" "$1" 2>&1
}

# Prints a line every 15 s; gives up immediately on a line of the log that no waiting can cure.
wait_ready() { # name
  local name=$1 started=$SECONDS said=-15 state
  until is_ready "$name"; do
    lease
    state=$(docker inspect -f '{{.State.Status}} {{.RestartCount}}' "$name" 2>/dev/null || echo "gone 0")
    if [ -n "$fatal" ] && lines_of_this_run "$name" | grep -E "$fatal" >/dev/null; then
      last_lines "$name"
      die "$name will not start: its log says why above." "$name"
    fi
    case $state in
      exited* | dead* | gone*)
        last_lines "$name"
        die "$name does not stay up ($state restarts)." "$name"
        ;;
    esac
    if [ $((SECONDS - started)) -ge "$ready_seconds" ]; then
      last_lines "$name"
      die "$name is not ready after $ready_seconds s." "$name"
    fi
    if [ $((SECONDS - started - said)) -ge 15 ]; then
      said=$((SECONDS - started))
      say "$name: $said s: $state restarts, not ready yet"
    fi
    sleep "${HOST_POLL_SECONDS:-2}"
  done
  say "$name: ready"
}
