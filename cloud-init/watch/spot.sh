#!/usr/bin/env bash
# EC2 announces the end of a spot instance two minutes ahead, in the instance metadata. Ends the ingestion (it resumes
# where it was) and the database in order; models hold nothing and are simply dropped.
set -euo pipefail

metadata=${HOST_METADATA:-http://169.254.169.254}
state=${HOST_STATE:-/var/lib/chartwell}
every_seconds=${HOST_SPOT_SECONDS:-5}

notice() {
  local token
  token=$(curl -fsS -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/latest/api/token") || return 1
  curl -fsS -m 2 -H "X-aws-ec2-metadata-token: $token" "$metadata/latest/meta-data/spot/instance-action" 2>/dev/null
}

until text=$(notice) && [ -n "$text" ]; do sleep "$every_seconds"; done
mkdir -p "$state"
printf '%s\n' "${text:0:300}" >"$state/spot-notice.json"
echo "spot notice: ${text:0:200}"
systemctl stop --no-block chartwell-vectorize.service || true
# 100 of the 120 seconds: the rest is for the disk.
docker stop -t 100 iris || true
sync
systemctl poweroff
