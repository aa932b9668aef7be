#!/usr/bin/env bash
# iris.sh GLOBAL_BUFFERS_MB: the description of the container comes by standard input. Before the container, this makes the merge file
# that creates database, namespace and user at the start; the password is in the secret iris.password and leaves it
# only as a salted hash.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

owner=51773 # the user inside the image; the durable folder must be its own before the first start
merge="$HOST_MOUNT_POINT/iris-merge"
spec=$(mktemp)
trap 'rm -f "$spec"' EXIT
cat >"$spec"
[ -s "$SECRETS/iris.password" ] || die "The password of IRIS has not been delivered." iris

mkdir -p "$HOST_MOUNT_POINT/iris" "$merge"
durable="$HOST_MOUNT_POINT/iris/data"
if [ -d "$durable" ] && [ ! -d "$durable/mgr" ] && [ -n "$(ls -A "$durable")" ]; then
  # IRIS would refuse too, with a message about something else.
  die "$durable holds files but no mgr folder: not an IRIS data folder." iris
fi
python3 "$here/iris_merge.py" "$merge/merge.cpf" "${1:?MB}" <"$SECRETS/iris.password"
chown -R "$owner:$owner" "$merge"
chmod 0500 "$merge"
chmod 0400 "$merge/merge.cpf"
bash "$here/container.sh" iris <"$spec"
