#!/usr/bin/env bash
# Docker, pinned, with every image on the data volume. Docker 29 keeps layers in /var/lib/containerd, older ones in
# /var/lib/docker; both are bound to the volume before Docker first starts, and neither starts without it.
set -euo pipefail
# shellcheck source=progress.sh
. "$(dirname "$0")/progress.sh"

docker=${HOST_DOCKER:?}   # such as 29.4.3
toolkit=${HOST_TOOLKIT:?} # such as 1.18.0-1
data=${HOST_MOUNT_POINT:-/data}
root=${HOST_ROOT:-} # another root, for the tests
help=docker

bind() {
  local from="$data/$1" to="$root/var/lib/$1"
  local line="$from $to none bind,nofail,x-systemd.requires-mounts-for=$data 0 0"
  mkdir -p "$from" "$to"
  mountpoint -q "$to" && return 0
  # An image with Docker inside has it running by now; what it holds in its own folder is not ours.
  if [ -d /run/systemd/system ]; then systemctl stop docker.socket docker containerd 2>/dev/null || true; fi
  grep -qxF "$line" "$root/etc/fstab" 2>/dev/null || printf '%s\n' "$line" >>"$root/etc/fstab"
  mount --bind "$from" "$to"
}

# RequiresMountsFor orders and starts the mounts; the check refuses when `nofail` let one of them pass.
guard() {
  local folder="$root/etc/systemd/system/$1.service.d"
  mkdir -p "$folder"
  printf '%s\n' "[Unit]" "RequiresMountsFor=$data /var/lib/docker /var/lib/containerd" "[Service]" \
    "ExecStartPre=/usr/bin/mountpoint -q $data" \
    "ExecStartPre=/usr/bin/mountpoint -q /var/lib/docker" \
    "ExecStartPre=/usr/bin/mountpoint -q /var/lib/containerd" \
    "TimeoutStopSec=200" >"$folder/10-chartwell.conf"
}

# Merged into what is there. 150 s let IRIS (120 s) end before the daemon kills it. With the systemd cgroup driver a
# `daemon-reload` cuts running containers off the GPU.
merge_daemon_json() {
  mkdir -p "$root/etc/docker"
  python3 -c 'import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
old = json.loads(path.read_text() or "{}") if path.exists() else {}
new = {**old, "exec-opts": ["native.cgroupdriver=cgroupfs"], "shutdown-timeout": 150, "log-driver": "local",
       "log-opts": {"max-size": "50m", "max-file": "4"}}
if new != old:
    path.write_text(json.dumps(new, indent=1) + "\n")' "$root/etc/docker/daemon.json"
}

repository() { # name, key address, line
  [ -s "/etc/apt/keyrings/$1.asc" ] || {
    mkdir -p /etc/apt/keyrings
    curl -fsSL --retry 5 -o "/etc/apt/keyrings/$1.asc" "$2"
  }
  printf 'deb [arch=amd64 signed-by=/etc/apt/keyrings/%s.asc] %s\n' "$1" "$3" >"/etc/apt/sources.list.d/$1.list"
}

has() { # package, part of its version
  case $(dpkg-query -W -f '${Version}' "$1" 2>/dev/null) in *"$2"*) ;; *) return 1 ;; esac
}

# At later boots nothing is fetched: a mirror that is down must not keep a host from starting.
installed() {
  has docker-ce ":$docker-" && { [ "${HOST_GPU:-yes}" != yes ] || has nvidia-container-toolkit "$toolkit"; }
}

install_packages() {
  local codename version
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  repository docker https://download.docker.com/linux/ubuntu/gpg \
    "https://download.docker.com/linux/ubuntu $codename stable"
  repository nvidia-container-toolkit https://nvidia.github.io/libnvidia-container/gpgkey \
    "https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /"
  apt_update
  version=$(apt-cache madison docker-ce | awk -v v=":$docker-" '!n && index($3, v) {print $3; n = 1}')
  [ -n "$version" ] || die "Docker $docker is not in Docker's archive for $codename. Choose another." "$help"
  apt_get install --no-install-recommends --allow-change-held-packages --allow-downgrades \
    "docker-ce=$version" "docker-ce-cli=$version" containerd.io python3-venv
  apt-mark hold docker-ce docker-ce-cli containerd.io >/dev/null
  if [ "${HOST_GPU:-yes}" = yes ]; then
    apt_get install --no-install-recommends --allow-change-held-packages "nvidia-container-toolkit=$toolkit" \
      "nvidia-container-toolkit-base=$toolkit" "libnvidia-container-tools=$toolkit" "libnvidia-container1=$toolkit"
    nvidia-ctk runtime configure --runtime=docker >/dev/null
  fi
}

mountpoint -q "$data" || die "$data is not mounted; Docker would fill the root disk." "$help"
phase docker "storage on $data"
bind docker
bind containerd
guard docker
guard containerd
merge_daemon_json
[ -z "$root" ] || exit 0
if ! installed; then
  phase docker "installing $docker"
  install_packages
fi
before=$(cat "$HOST_STATE/daemon.sum" 2>/dev/null || true)
now=$(sha256sum /etc/docker/daemon.json | cut -d' ' -f1)
systemctl daemon-reload
systemctl enable -q docker
if [ "$before" = "$now" ]; then systemctl start docker; else systemctl restart docker; fi
put daemon.sum "$now"
docker info >/dev/null 2>&1 || die "Docker was started but does not answer. See: journalctl -u docker." "$help"
phase docker "$(docker version --format '{{.Server.Version}}')"
