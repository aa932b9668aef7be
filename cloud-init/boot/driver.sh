#!/usr/bin/env bash
# The NVIDIA driver for the kernel that runs now, from Ubuntu's signed module packages: no compiler and, as a rule,
# no reboot. When a reboot is unavoidable it leaves the file reboot-needed; who waits for the boot does the rest.
set -euo pipefail
# shellcheck source=progress.sh
. "$(dirname "$0")/progress.sh"

branch=${HOST_DRIVER:?} # such as 580-server; NIM 2.x needs 580 or newer
major=${branch%%-*}
kernel=$(uname -r)
help=gpu-driver

[ "${HOST_GPU:-yes}" = yes ] || { phase driver "not wanted"; exit 0; }

loaded() {
  local version
  version=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1) || return 1
  [ -n "$version" ] && [ "${version%%.*}" -ge "$major" ]
}

reboot_once() {
  [ ! -e "$HOST_STATE/rebooted-for-driver" ] || die "No GPU after a reboot: $1." "$help"
  touch "$HOST_STATE/rebooted-for-driver"
  put reboot-needed "$1"
  phase reboot "$1"
  exit 0
}

if loaded; then
  phase driver "$(nvidia-smi -L | head -n 1)"
  exit 0
fi
phase driver "installing $branch for kernel $kernel"
apt_update
packages=("nvidia-headless-no-dkms-$branch" "nvidia-utils-$branch")
if apt-cache show "linux-modules-nvidia-$branch-$kernel" >/dev/null 2>&1; then
  apt_get install --no-install-recommends "linux-modules-nvidia-$branch-$kernel" "${packages[@]}"
else
  # The archive has no module for this kernel any more; the package below brings the newest kernel with its module.
  apt_get install --no-install-recommends linux-aws "linux-modules-nvidia-$branch-aws" "${packages[@]}"
fi
# A kernel that changes overnight would come up without its module.
apt-mark hold "nvidia-headless-no-dkms-$branch" "nvidia-utils-$branch" linux-aws linux-image-aws >/dev/null || true
modprobe nvidia || reboot_once "no driver module for kernel $kernel"
for _ in $(seq 30); do
  if loaded; then
    phase driver "$(nvidia-smi -L | head -n 1)"
    exit 0
  fi
  sleep 2
done
reboot_once "the module is loaded but nvidia-smi shows no GPU"
