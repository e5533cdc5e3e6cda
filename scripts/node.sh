#!/usr/bin/env bash
# What needs a real node. Usage: scripts/node.sh test [ARGUMENT...] | up | down
# `test` runs tests/node and the tests of the testbed itself, with these arguments for the former.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

need_rust
if [ "$1" = down ]; then
  exec cargo run --quiet --locked --package nmi-guard-testbed -- down
fi
if [ "$(id -u)" != 0 ]; then
  echo "skipped: a real node needs root, for namespaces, mounts and control groups" >&2
  exit 0
fi
need_kubernetes
need containerd containerd
need runc runc
need ip iproute2
need iptables iptables
need unshare util-linux
[ -e /usr/lib/cni/bridge ] || [ -e /opt/cni/bin/bridge ] || apt_install containernetworking-plugins ||
  give_up "the CNI plugin bridge" "install the package \`containernetworking-plugins\`"
tests/nmi/build.sh >/dev/null

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export NMI_GUARD_NODE_IMAGES=$target/node/images NMI_GUARD_NODE_REPORT=$target/node/report
scripts/node-images.sh "$NMI_GUARD_NODE_IMAGES"
case $1 in
  test)
    cargo test --locked --package nmi-guard-testbed --test ends
    cargo test --locked --test node -- "${@:2}"
    ;;
  up) cargo run --quiet --locked --package nmi-guard-testbed -- up ;;
esac
