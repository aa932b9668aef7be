#!/usr/bin/env bash
# logs.sh: sends the journal of Chartwell's own units to CloudWatch. Settings by standard input, one KEY=VALUE a line:
# HOST_LOG_GROUP_HOST, HOST_LOG_GROUP_SERVICE, AWS_DEFAULT_REGION. Comes after pipeline.sh, whose environment it uses.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

unit=chartwell-logs.service
keep "$HOST_ETC/logs.env" 0644
# shellcheck disable=SC2094 # two different files
keep "${HOST_UNITS:-/etc/systemd/system}/$unit" 0644 <"$here/../units/$unit"
systemctl daemon-reload
systemctl enable -q "$unit"
# Always: the script or its environment may be another one now; it goes on where it was.
systemctl restart "$unit"
say "logs: $(sed -n 's/^HOST_LOG_GROUP_//p' "$HOST_ETC/logs.env" | tr '\n' ' ')"
