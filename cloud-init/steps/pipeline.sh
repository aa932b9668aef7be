#!/usr/bin/env bash
# pipeline.sh install WHEEL LOCK: an environment on the data volume from the hashed lock file and the wheel, named by
# their content, so that a second run finds it and a pause keeps it.
# pipeline.sh settings: the settings file of the pipeline, by standard input; it holds a password.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

app="$HOST_MOUNT_POINT/app"
user=${HOST_USER:-chartwell}
# The same number on every host: the files on the volume outlive the host.
uid=${HOST_USER_ID:-51780}
python=${HOST_PYTHON:-python3}

make_user() {
  # -K: useradd otherwise warns at every first up that the number is not one of its own for system accounts.
  id "$user" >/dev/null 2>&1 || useradd --system -K SYS_UID_MAX="$uid" -K SYS_GID_MAX="$uid" --uid "$uid" --user-group \
    --home-dir "$app" --no-create-home --shell /usr/sbin/nologin "$user"
  mkdir -p "$app/state" "$app/leases"
  chown "$user:" "$app" "$app/state" "$app/leases"
  chmod 0750 "$app"
}

install_app() { # wheel, lock
  local version folder
  [ -s "$1" ] && [ -s "$2" ] || die "The wheel or its lock file has not arrived." job
  version=$(cat "$1" "$2" | sha256sum | cut -c 1-12)-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  folder="$app/venv-$version"
  if [ -e "$folder/complete" ]; then
    say "pipeline: unchanged ($version)"
  else
    rm -rf "$folder"
    "$python" -m venv "$folder"
    # --require-hashes refuses every file whose content is not the one that was tested.
    with_patience "installing the locked packages" "$folder/bin/python" -m pip install --quiet --no-input \
      --disable-pip-version-check --require-hashes -r "$2" || die "The locked packages do not install." job
    with_patience "installing the wheel" "$folder/bin/python" -m pip install --quiet --no-input \
      --disable-pip-version-check --no-deps --no-index "$1" || die "The wheel does not install." job
    "$folder/bin/python" -c 'import pipeline' || die "The wheel holds no package named pipeline." job
    chmod -R go+rX "$folder"
    touch "$folder/complete"
    say "pipeline: installed ($version)"
  fi
  ln -sfn "$folder" "$app/current"
  for old in "$app"/venv-*; do [ "$old" = "$folder" ] || rm -rf "$old"; done
}

case ${1:?what} in
  install)
    make_user
    install_app "${2:?wheel}" "${3:?lock}"
    ;;
  settings)
    make_user
    keep "$app/chartwell.env" 0600
    chown "$user:" "$app/chartwell.env"
    # systemd and the pipeline both read this file; quoting rules differ, so nothing may need quotes.
    if grep -Evq '^CHARTWELL_[A-Z0-9_]+=[A-Za-z0-9._:/@,+=-]*$' "$app/chartwell.env"; then
      die "A setting of the pipeline has a character that needs quotes." job
    fi
    ;;
  *) die "pipeline.sh: $1?" job ;;
esac
