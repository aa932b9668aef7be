#!/usr/bin/env bash
# mount.sh VOLUME: is the volume where it should be, and are Docker's folders on it? Nothing has been started yet.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

volume=${1:?volume id}
data=$HOST_MOUNT_POINT
marker="$data/.chartwell-volume"
mountpoint -q "$data" || die "Volume $volume is not mounted at $data." data-volume
[ -s "$marker" ] || die "$data carries no mark of a Chartwell volume." data-volume
for folder in ${HOST_DOCKER_FOLDERS-/var/lib/docker /var/lib/containerd}; do
  mountpoint -q "$folder" || die "$folder is not on the data volume." docker
done
# A restored snapshot has another id than the volume it was made of: that is worth a line, not an error.
grep -q "^volume=$volume\$" "$marker" || say "restored: first used as $(sed -n 's/^volume=//p' "$marker")"
say "$volume at $data: $(df -h --output=used,size,pcent "$data" | tail -n 1 | tr -s ' ')"
used=$(df --output=pcent "$data" | tail -n 1 | tr -dc 0-9)
[ "$used" -lt 97 ] || die "$data is $used % full. Raise chartwell:volumeSizeGb." data-volume
