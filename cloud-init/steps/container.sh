#!/usr/bin/env bash
# container.sh NAME: the description of a container comes by standard input, is kept, and the container is brought
# to it and waited for. container.sh NAME --kept: the same with what was kept, as at boot.
#
# Lines of a description, in any order; run, command, directory and input may repeat:
#   image=REFERENCE           run=ARGUMENT OF docker run       command=ARGUMENT AFTER THE IMAGE
#   directory=PATH:UID:GID:MODE (made before the start)        input=FILE (a change of it replaces the container)
#   ready_url=URL  or  ready_exec=COMMAND in the container, with ready_match=REGEX
#   ready_seconds=N           stop_seconds=N                   fatal=REGEX of a log line that ends the wait
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

name=${1:?name}
spec="$SAVED/$name.conf"
[ "${2:-}" = --kept ] || keep "$spec" 0600
mountpoint -q "$HOST_MOUNT_POINT" || die "$HOST_MOUNT_POINT is not mounted." data-volume
ensure_container "$name" "$spec"
wait_ready "$name"
