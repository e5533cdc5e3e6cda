# shellcheck shell=bash
# Sourced by the other scripts. Each need_* function makes sure that a tool is there: it installs what it may
# (as root, where there is apt-get), and otherwise names what is missing and how to get it.

say() { printf '\n== %s\n' "$*" >&2; }

give_up() {
  printf '\nmissing: %s\n' "$1" >&2
  printf '  how to get it: %s\n' "$2" >&2
  exit 1
}

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# apt_install PACKAGE...: succeeds if the Debian packages are installed afterwards.
apt_install() {
  may_install || return 1
  say "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "$@" >&2 || {
    apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "$@" >&2
  }
}

# need COMMAND PACKAGE: a command that a Debian package of that name brings.
need() {
  command -v "$1" >/dev/null || apt_install "$2" || true
  command -v "$1" >/dev/null || give_up "$1" "install the package \`$2\`"
}

need_rust() {
  if ! command -v cargo >/dev/null; then
    if apt_install rustup; then rustup default stable >&2; fi
  fi
  command -v cargo >/dev/null || give_up "Rust $(rust_version) or newer" "https://rustup.rs"
  need cc gcc
  # The C library's headers, and the archive that static binaries are linked with.
  [ -e /usr/include/stdio.h ] || apt_install libc6-dev || give_up "the C library's headers" "install libc6-dev"
}

rust_version() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

need_go() {
  # Debian's own may be too old. From 1.21 on, Go fetches the version that a module asks for.
  go version 2>/dev/null | grep -qE 'go1\.(2[1-9]|[3-9][0-9])' ||
    give_up "Go 1.21 or newer, which builds Kubernetes and NMI for the tests" "https://go.dev/doc/install"
}

# Kubernetes for the tests: given, built before, or to be built with Go.
need_kubernetes() {
  [ -n "${KUBEBUILDER_ASSETS:-}" ] && return
  need_go
  KUBEBUILDER_ASSETS=$(tests/kubernetes/build.sh) || exit 1
  export KUBEBUILDER_ASSETS
}

# Sets `builder` to buildah or docker, whichever can build images here; fails if none can.
find_image_builder() {
  if command -v buildah >/dev/null; then
    builder=buildah
  elif docker info >/dev/null 2>&1; then
    builder=docker
  elif apt_install buildah; then
    builder=buildah
  else
    return 1
  fi
}

need_image_builder() {
  find_image_builder || give_up "buildah or docker" "install the package \`buildah\`, or Docker with its engine running"
}

# buildah, without the overlay mounts that a container or an unprivileged user often lacks.
run_buildah() { buildah --storage-driver="${STORAGE_DRIVER:-vfs}" "$@"; }
