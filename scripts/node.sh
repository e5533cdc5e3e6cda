#!/usr/bin/env bash
# What needs a real node. Usage: scripts/node.sh test [ARGUMENT...] | up | down
# `test` runs the tests of the testbed itself, and tests/node with these arguments. Where there can be no node, one line
# says so: `skipped node tests: WHY`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

testbed() { cargo run --quiet --locked --package nmi-guard-testbed -- "$@"; }

skip() {
  echo "skipped node tests: $1"
  exit 0
}

need_rust
if [ "$1" = down ]; then
  testbed down
  exit
fi
[ "$(id -u)" = 0 ] || skip "a real node needs root, for namespaces, mounts and control groups"
need_kubernetes
need_go # for NMI
need containerd containerd
need runc runc
need ip iproute2
need iptables iptables
need unshare util-linux
[ -e /usr/lib/cni/bridge ] || [ -e /opt/cni/bin/bridge ] || apt_install containernetworking-plugins ||
  give_up "the CNI plugin bridge" "install the package \`containernetworking-plugins\`"
need buildah buildah
obstacle=$(testbed obstacle)
[ -z "$obstacle" ] || skip "$obstacle"
tests/nmi/build.sh >/dev/null

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export NMI_GUARD_NODE_IMAGES=$target/node/images NMI_GUARD_NODE_REPORT=$target/node/report
scripts/node-images.sh "$NMI_GUARD_NODE_IMAGES"
case $1 in
  test)
    status=0
    cargo test --locked --package nmi-guard-testbed --test ends || status=1
    cargo test --locked --test node -- "${@:2}" || status=1
    exit $status
    ;;
  up) testbed up ;;
esac
