#!/usr/bin/env bash
# Builds the container image from static binaries, and checks it. Usage: scripts/image.sh NAME:TAG [amd64|arm64]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

image=$1
own_arch=$(case $(uname -m) in aarch64 | arm64) echo arm64 ;; *) echo amd64 ;; esac)
arch=${2:-$own_arch}
need_image_builder
scripts/build.sh "$arch"

say "building the image $image with $builder"
arguments=(
  --platform "linux/$arch" --tag "$image" --build-arg BINARIES=prebuilt
  --build-arg "VERSION=${image##*:}" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
)
case $builder in
  buildah) run_buildah build --isolation chroot --format docker "${arguments[@]}" . ;;
  docker) docker build "${arguments[@]}" . ;;
esac

if [ "$arch" = "$own_arch" ]; then
  scripts/check-image.sh "$image"
else
  echo "not checked: the image is for another machine ($arch)"
fi
