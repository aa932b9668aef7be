#!/usr/bin/env bash
# front.sh ADDRESS TLS_PORT SERVICE_PORT given|self-signed NAME...: nginx with TLS in front of the service. `given` takes
# the certificate and key that the secret service-tls.pem holds; `self-signed` makes a pair for the names and keeps it on
# the data volume, so that it is the same one after a pause. The last line is one JSON object: kind, sha256, expires.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

address=${1:?address} tls_port=${2:?port} service_port=${3:?port} kind=${4:?kind}
shift 4
names=("$@")
unit=chartwell-front.service
units=${HOST_UNITS:-/etc/systemd/system}
front="$HOST_ETC/front"
given="$SECRETS/service-tls.pem"
own="$HOST_MOUNT_POINT/tls/service.pem"
proxy_key="$front/proxy.key"
days=825 # the longest that Apple's systems take from an authority that a person trusts by hand
renew_seconds=$((60 * 86400))

install_nginx() {
  ! command -v nginx >/dev/null || return 0
  # Ubuntu starts it on port 80 as soon as it is unpacked; ours is another unit.
  systemctl mask -q nginx.service
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 -qq -y)
  # The lock of the lists, which DPkg's time-out does not cover, is Ubuntu's own for minutes after a boot.
  local tries=${HOST_APT_TRIES:-20}
  until with_patience "reading Ubuntu's package lists" "${apt[@]}" update; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "Ubuntu's archive does not answer." service
    say "reading the lists again in 30 s"
    sleep 30
  done
  with_patience "installing nginx" "${apt[@]}" install --no-install-recommends nginx-core ||
    die "nginx does not install." service
}

alternative_names() {
  local each
  for each in "${names[@]}" localhost 127.0.0.1; do
    case $each in *[!0-9.]*) printf 'DNS:%s\n' "$each" ;; *) printf 'IP:%s\n' "$each" ;; esac
  done | sort -u | paste -sd, -
}

make_own() {
  local wanted scratch
  wanted=$(alternative_names)
  if [ -s "$own" ] && [ "$(sed -n 's/^names=//p' "$own")" = "$wanted" ] &&
    openssl x509 -in "$own" -noout -checkend "$renew_seconds" >/dev/null; then
    say "certificate: the one of before"
    return 0
  fi
  scratch=$(mktemp -d)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days "$days" -subj "/O=Chartwell/CN=${names[0]:0:64}" \
    -addext "subjectAltName=$wanted" -addext extendedKeyUsage=serverAuth -addext basicConstraints=critical,CA:FALSE \
    -keyout "$scratch/key" -out "$scratch/certificate" 2>/dev/null ||
    die "openssl makes no certificate for ${names[*]}." service
  { printf 'names=%s\n' "$wanted" && cat "$scratch/key" "$scratch/certificate"; } | keep "$own" 0400
  rm -rf "$scratch"
}

check_given() {
  [ -s "$given" ] || die "The certificate of the service has not arrived." service
  openssl x509 -in "$given" -noout 2>/dev/null || die "serviceCertificate holds no certificate." service
  openssl pkey -in "$given" -noout 2>/dev/null || die "serviceCertificateKey holds no key without a passphrase." service
  [ "$(openssl x509 -in "$given" -noout -pubkey)" = "$(openssl pkey -in "$given" -pubout)" ] ||
    die "serviceCertificateKey does not belong to serviceCertificate." service
  openssl x509 -in "$given" -noout -checkend 0 >/dev/null ||
    die "serviceCertificate ended on $(openssl x509 -in "$given" -noout -enddate | cut -d= -f2)." service
  openssl x509 -in "$given" -noout -checkhost "${names[0]}" | grep -q 'does match' ||
    die "serviceCertificate is not for ${names[0]}." service
}

# The service knows by it that nginx speaks, and no other program of the host: its unit takes it from the same file.
make_proxy_key() {
  [ -s "$proxy_key" ] || openssl rand -hex 32 | keep "$proxy_key" 0400
}

render() { # folder of the certificate, folder for what nginx writes
  sed -e "s|@CREDENTIALS@|$1|g; s|@RUN@|$2|g; s|@ADDRESS@|$address|g; s|@TLS_PORT@|$tls_port|g; s|@PORT@|$service_port|g" \
    -e "s|@PROXY_KEY@|$(cat "$proxy_key")|" \
    "$here/../front/nginx.conf"
}

case "$address$tls_port$service_port" in *[!0-9.]*) die "$address is no address to listen on." service ;; esac
install_nginx
if [ "$kind" = given ]; then
  check_given
  certificate=$given
else
  make_own
  certificate=$own
fi
make_proxy_key
# shellcheck disable=SC2094 # different files
keep "$front/tls.pem" 0400 <"$certificate"
render /run/credentials/$unit /run/chartwell-front | keep "$front/nginx.conf" 0400
# shellcheck disable=SC2094
keep "$units/$unit" 0644 <"$here/../units/$unit"

scratch=$(mktemp -d)
render "$front" "$scratch" >"$scratch/nginx.conf"
nginx -e stderr -t -q -c "$scratch/nginx.conf" 2>"$scratch/said" || {
  cut -c 1-200 "$scratch/said"
  die "nginx does not take its configuration." service
}
rm -rf "$scratch"

now=$(cat "$front/tls.pem" "$front/nginx.conf" "$units/$unit" | sha256sum | cut -c 1-32)
if [ "$now" = "$(cat "$HOST_STATE/front.sum" 2>/dev/null || true)" ] && systemctl -q is-active "$unit"; then
  say "front: unchanged"
else
  systemctl daemon-reload
  systemctl enable -q "$unit"
  systemctl restart "$unit" || die "nginx does not start. See: journalctl -u $unit." service
  printf '%s\n' "$now" | keep "$HOST_STATE/front.sum" 0600
fi
sha256=$(openssl x509 -in "$front/tls.pem" -noout -fingerprint -sha256 | cut -d= -f2)
expires=$(date -u -d "$(openssl x509 -in "$front/tls.pem" -noout -enddate | cut -d= -f2)" +%F)
printf '{"certificate":"%s","sha256":"%s","expires":"%s"}\n' "$kind" "$sha256" "$expires"
