#!/bin/sh
# Makes a CA and a serving certificate for nmi-guard with OpenSSL 1.1.1 or newer, or, with --request,
# only a key and a signing request for a CA of your own.
#
#   make.sh [--request] DIR
#
# From the environment: SERVICE and NAMESPACE (both nmi-guard), CA_DAYS (3650), DAYS (397).
set -eu
umask 077

request=
if [ "${1:-}" = --request ]; then
  request=yes
  shift
fi
if [ $# -ne 1 ]; then
  echo "usage: $0 [--request] DIR" >&2
  exit 2
fi
dir=$1
host=${SERVICE:-nmi-guard}.${NAMESPACE:-nmi-guard}.svc

mkdir -p "$dir"
for file in ca.key ca.crt tls.key tls.csr tls.crt; do
  if [ -e "$dir/$file" ]; then
    echo "$0: $dir/$file exists already: choose another folder" >&2
    exit 1
  fi
done

config=$(mktemp)
trap 'rm -f "$config"' EXIT
cat >"$config" <<CONFIG
[req]
prompt = no
distinguished_name = subject
[subject]
CN = $host
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[request]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:$host, DNS:$host.cluster.local
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:$host, DNS:$host.cluster.local
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CONFIG

new_key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

new_key "$dir/tls.key"
openssl req -new -config "$config" -reqexts request -key "$dir/tls.key" -out "$dir/tls.csr"
if [ "$request" ]; then
  echo "$dir/tls.csr is ready to be signed for server authentication, with its names" >&2
  exit 0
fi

new_key "$dir/ca.key"
# The time in the subject tells this CA from the one that follows it.
openssl req -x509 -new -config "$config" -extensions ca -key "$dir/ca.key" -sha256 \
  -days "${CA_DAYS:-3650}" -subj "/CN=nmi-guard CA $(date -u +%Y-%m-%dT%H:%M:%SZ)" -out "$dir/ca.crt"
openssl x509 -req -in "$dir/tls.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -sha256 \
  -days "${DAYS:-397}" -extfile "$config" -extensions leaf -out "$dir/tls.crt"
rm -f "$dir/tls.csr" "$dir/ca.srl"
chmod 644 "$dir/ca.crt" "$dir/tls.crt"
