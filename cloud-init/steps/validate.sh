#!/usr/bin/env bash
# validate.sh: checks that the whole deployment works, and ends with the verdict, one JSON object. The report stays on the
# data volume. A failed check fails the step; what to do about it is printed with it. Also by hand, as often as you like.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

app="$HOST_MOUNT_POINT/app"
user=${HOST_USER:-chartwell}
python=${HOST_PYTHON:-$app/current/bin/python}
seconds_max=${HOST_VALIDATE_SECONDS:-240}

[ -x "$python" ] || die "The pipeline is not installed yet." validation
[ -r "$app/chartwell.env" ] || die "The pipeline has no settings yet." validation
# Who asks Docker must be in its group, which is as good as root: for this one process, and not for the pipeline.
groups=()
# Without --group the first one named would become its own.
if getent group docker >/dev/null; then groups=(--group "$(id -gn "$user")" --supp-group docker); fi
lease
scratch=$(mktemp -d)
chmod 0711 "$scratch"
trap 'rm -rf "$scratch"' EXIT
output="$scratch/output"
# Whether its certificate is the deployed one, for the right name, and valid for long enough can be told here. Whether
# other machines trust its authority can only be told there.
trust=''
if [ -s "$HOST_ETC/front/tls.pem" ]; then
  trust="$scratch/service.pem"
  sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$HOST_ETC/front/tls.pem" >"$trust"
  chmod 0644 "$trust"
fi
status=0
# By the environment and not as words: the file holds a password. pipeline.sh lets nothing in that a shell would read.
(
  set -a
  # shellcheck disable=SC1091
  . "$app/chartwell.env"
  set +a
  [ -z "$trust" ] || export CHARTWELL_CHECKS__TRUST_FILE="$trust"
  # A place without an .env of its own.
  cd "$app/state"
  exec timeout "$seconds_max" runuser -u "$user" "${groups[@]}" -- \
    "$python" -m pipeline.validate --keep "$app/state/validation" --verdict
) >"$output" 2>&1 </dev/null || status=$?
tail -n 150 "$output" | cut -c 1-300
case $status in
  0) ;;
  1) die "A check failed: what was found and what to do is above. The report: $app/state/validation/latest.json" validation ;;
  124) die "The checks did not end within $seconds_max s." validation ;;
  *) die "The checks could not run ($status): the reason is above." validation ;;
esac
