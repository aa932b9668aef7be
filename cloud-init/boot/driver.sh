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
# Old kernels keep the module that was built with their driver, while the libraries go on: the two must be one version.
# A module package names its driver in what it depends on: nvidia-kernel-common-580-server (>= 580.95.05).
module_version() {
  apt-cache show "linux-modules-nvidia-$branch-$kernel" 2>/dev/null |
    sed -n "s/^Depends:.*nvidia-kernel-common-$branch (>= \([0-9.]*\).*/\1/p" | head -n 1
}

library_version() {
  apt-cache policy "libnvidia-compute-$branch" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9.]*\).*/\1/p' | head -n 1
}

same_version() {
  local module library
  module=$(modinfo -F version nvidia 2>/dev/null) || return 1
  library=$(dpkg-query -W -f '${Version}' "libnvidia-compute-$branch" 2>/dev/null) || return 1
  [ "$module" = "${library%%-*}" ]
}

packages=("nvidia-headless-no-dkms-$branch" "nvidia-utils-$branch")

# The newest kernel with its module and the newest libraries: built together. It needs a reboot where it is another
# kernel than the one that runs.
install_newest() {
  touch "$HOST_STATE/newest-kernel"
  phase driver "installing $branch with the newest kernel: $1"
  apt-mark unhold linux-aws linux-image-aws "${packages[@]}" >/dev/null || true
  apt_get install --no-install-recommends linux-aws "linux-modules-nvidia-$branch-aws" "${packages[@]}"
}

mkdir -p "$HOST_STATE"
phase driver "installing $branch for kernel $kernel"
apt_update
module=$(module_version) library=$(library_version)
if [ -e "$HOST_STATE/newest-kernel" ]; then
  install_newest "as at the boot before"
elif [ -z "$module" ]; then
  install_newest "the archive has no module for $kernel"
elif [ "$module" != "$library" ]; then
  install_newest "the module for $kernel is of $module, the library is ${library:-unknown}"
elif ! apt_get install --no-install-recommends "linux-modules-nvidia-$branch-$kernel" "${packages[@]}"; then
  install_newest "the packages for $kernel do not fit together"
fi
if ! same_version && [ ! -e "$HOST_STATE/newest-kernel" ]; then
  install_newest "the installed module and library differ"
fi
# A kernel that changes overnight would come up without its module.
apt-mark hold "${packages[@]}" linux-aws linux-image-aws >/dev/null || true
same_version || reboot_once "no module of the library's version for kernel $kernel"
modprobe nvidia || reboot_once "no driver module for kernel $kernel"
for _ in $(seq 30); do
  if loaded; then
    phase driver "$(nvidia-smi -L | head -n 1)"
    exit 0
  fi
  sleep 2
done
reboot_once "the module is loaded but nvidia-smi shows no GPU"
