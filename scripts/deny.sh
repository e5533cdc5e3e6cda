#!/usr/bin/env bash
# Runs `cargo deny check ARGUMENTS...`; installs cargo-deny into the cache on first use (some minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_rust

version=0.20.2
home=${XDG_CACHE_HOME:-$HOME/.cache}/nmi-guard/cargo-deny-$version
if [ ! -x "$home/bin/cargo-deny" ]; then
  say "installing cargo-deny $version into $home (once)"
  # Its own target folder: it shares no settings with this workspace.
  (cd / && env -u CARGO_TARGET_DIR cargo install --quiet --locked --version "$version" --root "$home" cargo-deny)
fi
exec "$home/bin/cargo-deny" check "$@"
