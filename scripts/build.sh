#!/usr/bin/env bash
# Builds the two static binaries into dist/ARCH/. Usage: scripts/build.sh [amd64|arm64]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

machine=$(uname -m)
arch=${1:-$(case $machine in aarch64 | arm64) echo arm64 ;; *) echo amd64 ;; esac)}
case $arch in
  amd64) cpu=x86_64 ;;
  arm64) cpu=aarch64 ;;
  *) echo "unknown architecture $arch: expected amd64 or arm64" >&2; exit 2 ;;
esac
need_rust
target=$cpu-unknown-linux-gnu
if [ "$cpu" != "$machine" ]; then
  need $cpu-linux-gnu-gcc "gcc-${cpu/_/-}-linux-gnu"
  export "CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)_LINKER=$cpu-linux-gnu-gcc"
  rustup target add "$target" >&2
fi

# --target even for this machine: without it the flags would reach build scripts and macros as well.
built=${CARGO_TARGET_DIR:-target}/$target
export RUSTFLAGS="-C target-feature=+crt-static"
cargo build --locked --release --target "$target" --bin nmi-guard
# At a fixed address: position independence would make the binary larger by a tenth. Without the table for
# finding unwinding data it is a seventieth smaller, since a panic aborts; only the backtrace of one is lost.
RUSTFLAGS="$RUSTFLAGS -C relocation-model=static -C link-arg=-Wl,--no-eh-frame-hdr" \
  cargo build --locked --profile probe --target "$target" --package nmi-probe

mkdir -p "dist/$arch"
install -m 0755 "$built/release/nmi-guard" "$built/probe/nmi-probe" "dist/$arch/"
ls -l "dist/$arch" >&2
