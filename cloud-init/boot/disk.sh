#!/usr/bin/env bash
# Puts the data volume, and no other disk, at the mount point. It formats only a volume that has the right id and
# is provably blank: no signature, no partition, nothing but zeros where we look. Any doubt ends with an error,
# because a wrong format loses every note while a wrong refusal costs one question. Safe to run again.
set -euo pipefail
# shellcheck source=progress.sh
. "$(dirname "$0")/progress.sh"

volume=${HOST_VOLUME_ID:?}
stack=${HOST_STACK:?}
mount_point=${HOST_MOUNT_POINT:-/data}
wait_seconds=${HOST_DISK_WAIT_SECONDS:-900}
by_id=${HOST_BY_ID:-/dev/disk/by-id}
fstab=${HOST_FSTAB:-/etc/fstab}
marker=.chartwell-volume
help=data-volume

# The number in /dev/nvmeXn1 changes from boot to boot and the instance store looks alike: only this name tells.
link="$by_id/nvme-Amazon_Elastic_Block_Store_${volume/-/}"

await_device() {
  local started=$SECONDS said=-15 waited
  until [ -b "$link" ]; do
    waited=$((SECONDS - started))
    [ "$waited" -lt "$wait_seconds" ] ||
      die "Volume $volume did not appear in $wait_seconds s. Attach it to this instance, then restart." "$help"
    if [ $((waited - said)) -ge 15 ]; then
      said=$waited
      phase disk "waiting for $volume to be attached, $waited s"
    fi
    sleep "${HOST_POLL_SECONDS:-1}"
  done
}

# "8:16", as the kernel and findmnt write it. stat gives it in hexadecimal.
number_of() { printf '%d:%d' "0x$(stat -c %t "$1")" "0x$(stat -c %T "$1")"; }

mounted_here() { findmnt -rno MAJ:MIN --mountpoint "$mount_point" 2>/dev/null | tail -n 1 || true; }

# True when every sampled byte is zero: the first 16 MiB, and 1 MiB at each 64th part of the volume.
# A file system with a damaged superblock has no signature but is not all zeros.
all_zero() {
  local size part
  size=$(blockdev --getsize64 "$1")
  cmp -s -n $((16 << 20)) "$1" /dev/zero || return 1
  for part in $(seq 0 63); do
    cmp -s -n $((1 << 20)) -i "$((size * part / 64)):0" "$1" /dev/zero || return 1
  done
  [ "$size" -lt $((1 << 20)) ] || cmp -s -i "$((size - (1 << 20))):0" -n $((1 << 20)) "$1" /dev/zero
}

# Prints `blank` or `ext4`; ends the script for anything else.
contents_of() {
  local found status=0 kind
  found=$(blkid -p -o export "$1" 2>/dev/null) || status=$?
  case $status in
    0)
      kind=$(printf '%s\n' "$found" | sed -n 's/^\(PT\)\{0,1\}TYPE=//p' | head -n 1)
      [ "$kind" = ext4 ] || die "Volume $volume holds ${kind:-something unknown}, not ext4. Left untouched." "$help"
      echo ext4
      ;;
    2)
      [ -z "$(wipefs -n "$1")" ] || die "Volume $volume carries a signature. Left untouched." "$help"
      all_zero "$1" || die "Volume $volume has no file system but is not empty. Left untouched." "$help"
      echo blank
      ;;
    *) die "Volume $volume cannot be judged (blkid says $status). Left untouched." "$help" ;;
  esac
}

# Looks without writing: a stranger's volume keeps even its journal as it is.
check_owner() {
  local peek owner entries
  peek=$(mktemp -d)
  mount -t ext4 -o ro,noload "$1" "$peek" || die "Volume $volume has a damaged file system. Run fsck." "$help"
  owner=$(sed -n 's/^stack=//p' "$peek/$marker" 2>/dev/null || true)
  entries=$(find "$peek" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit)
  umount "$peek"
  rmdir "$peek"
  if [ -z "$owner" ] && [ -n "$entries" ]; then
    die "Volume $volume holds files that no Chartwell stack wrote. Left untouched." "$help"
  fi
  if [ -n "$owner" ] && [ "$owner" != "$stack" ]; then
    die "Volume $volume belongs to stack $owner, not to $stack. Left untouched." "$help"
  fi
}

# Ours is the one line whose second field is the mount point; every other line stays.
write_fstab() {
  local line="UUID=$1 $mount_point ext4 defaults,noatime,nofail,x-systemd.device-timeout=180s 0 2"
  touch "$fstab"
  grep -qxF "$line" "$fstab" && return 0
  awk -v at="$mount_point" '$2 != at' "$fstab" >"$fstab.chartwell"
  printf '%s\n' "$line" >>"$fstab.chartwell"
  cat "$fstab.chartwell" >"$fstab"
  rm -f "$fstab.chartwell"
}

# Volumes only grow, and the file system after them; before the mount, when a check comes first.
grow() {
  local has blocks size status=0
  has=$(blockdev --getsize64 "$1")
  # Multiplied here: mawk of 2020 (Ubuntu 22.04) writes a product above 2 GiB as 1.07374e+11.
  read -r blocks size < <(dumpe2fs -h "$1" 2>/dev/null |
    awk '/^Block count:/ {n = $3} /^Block size:/ {s = $3} END {print n, s}')
  [ $((has - blocks * size)) -ge $((1 << 20)) ] || return 0
  phase disk "growing the file system of $volume"
  if [ -z "$here" ]; then e2fsck -fp "$1" >/dev/null 2>&1 || status=$?; fi
  { [ "$status" -le 1 ] && resize2fs "$1" >/dev/null 2>&1; } ||
    die "The file system of $volume cannot grow to its new size. Run e2fsck -f." "$help"
}

claim() {
  if [ ! -s "$mount_point/$marker" ]; then
    printf 'stack=%s\nvolume=%s\nsince=%s\n' "$stack" "$volume" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
      >"$mount_point/$marker"
    sync "$mount_point/$marker"
  fi
}

mkdir -p "$HOST_STATE" "$mount_point"
exec 9>"$HOST_STATE/disk.lock"
flock 9
await_device
device=$(readlink -f "$link")
number=$(number_of "$device")
here=$(mounted_here)

if [ -n "$here" ]; then
  [ "$here" = "$number" ] || die "$mount_point is another disk ($here, not $volume at $number). Unmount it." "$help"
  grow "$device"
  outcome="already mounted"
else
  elsewhere=$(findmnt -rno TARGET -S "$device" 2>/dev/null | head -n 1 || true)
  [ -z "$elsewhere" ] || die "Volume $volume is mounted at $elsewhere, not $mount_point. Unmount it." "$help"
  [ "$(lsblk -nro NAME "$device" | wc -l)" -eq 1 ] || die "Volume $volume is in use or has partitions." "$help"
  [ -z "$(ls -A "$mount_point")" ] || die "$mount_point on the root disk is not empty. Move its files away." "$help"
  contents=$(contents_of "$device")
  if [ "$contents" = blank ]; then
    phase disk "formatting $volume, which is blank"
    mkfs.ext4 -q -m 1 -L chartwell-data "$device"
    outcome="formatted, it was blank"
  else
    outcome="mounted with its data"
  fi
  check_owner "$device"
  grow "$device"
  write_fstab "$(blkid -p -o value -s UUID "$device")"
  [ ! -d /run/systemd/system ] || systemctl daemon-reload
  mount -T "$fstab" "$mount_point"
  # A copy made from a snapshot has the same UUID: look which disk really came.
  if [ "$(mounted_here)" != "$number" ]; then
    umount "$mount_point"
    die "Another disk with the UUID of $volume was mounted. Detach the copy." "$help"
  fi
fi
# The mark says that this is the volume: it must never be written on the root disk, whatever went wrong above.
[ "$(mounted_here)" = "$number" ] || die "Volume $volume is not mounted at $mount_point." "$help"
claim
phase disk "$volume $outcome"
