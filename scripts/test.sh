#!/usr/bin/env bash
# Runs all tests, and sums up in the last line. With CI=true nothing may be skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# add_up LOG: counts what the test programs that cargo ran say of themselves.
add_up() {
  local counts
  counts=$(awk '/^test result:/ { for (i = 2; i <= NF; i++) n[$i] += $(i - 1) }
    END { print n["passed;"] + 0, n["failed;"] + 0, n["ignored;"] + 0 }' "$1")
  read -r p f s <<<"$counts"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# step NAME COMMAND...: one more test, which passes if the command succeeds.
step() {
  local start=$SECONDS
  say "$1"
  if "${@:2}"; then
    passed=$((passed + 1)) && echo "ok $1 ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1)) && echo "FAILED $1 ($((SECONDS - start)) s)"
  fi
}

cargo_tests() {
  say "cargo test"
  if ! cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log"; then
    # A program that did not compile, or ended before it could sum up, has no line to count.
    grep -q '^test result: FAILED' "$log" || failed=$((failed + 1))
  fi
  add_up "$log"
}

node_tests() {
  say "node tests"
  if ! scripts/node.sh test 2>&1 | tee "$log"; then
    grep -q '^test result: FAILED' "$log" || failed=$((failed + 1))
  fi
  add_up "$log"
  skipped=$((skipped + $(grep -c '^skipped node tests: ' "$log" || true)))
}

demo() { make --no-print-directory demo | tee "$log" && grep -q '^+.*nmi-guard-init' "$log"; }

image_checks() {
  say "make image"
  if ! make --no-print-directory image IMAGE=nmi-guard TAG=test | tee "$log"; then
    # It was not built, or not checked to the end.
    grep -q '^FAILED image' "$log" || failed=$((failed + 1))
  fi
  passed=$((passed + $(grep -c '^ok image' "$log" || true)))
  failed=$((failed + $(grep -c '^FAILED image' "$log" || true)))
}

need_rust
need openssl openssl # checks our certificates independently
# The shells and programs of the methods wget and curl.
need dash dash
need busybox busybox-static
need wget wget
need curl curl
need_kubernetes
start=$SECONDS
cargo_tests
step "make demo" demo
step "make help" make --no-print-directory help
if find_image_builder; then
  image_checks
elif [ "${CI:-}" = true ]; then
  echo "FAILED image: there is neither buildah nor docker" && failed=$((failed + 1))
else
  echo "skipped image: install buildah or docker to build and check it" && skipped=$((skipped + 1))
fi
node_tests

say "after $((SECONDS - start)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" = 0 ]; }
