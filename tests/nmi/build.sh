#!/usr/bin/env bash
# Builds the real NMI once, at the version that go.mod names, and prints the folder that holds it and, under
# crds/, its CustomResourceDefinitions. The folder lies outside the checkout and is keyed by what it was built from.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"

if ! command -v go >/dev/null; then
  echo "the node tests build NMI from its Go module: install Go 1.26 or newer (https://go.dev/doc/install)" >&2
  exit 1
fi

module=github.com/Azure/aad-pod-identity
version=$(awk -v module=$module '$1 == module { print $2 }' go.mod)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/nmi-guard/nmi-$version-$(cat go.mod go.sum build.sh | sha256sum | cut -c1-12)
if [ ! -x "$dir/nmi" ]; then
  echo "building NMI $version (a minute or two, once) into $dir" >&2
  mkdir -p "$dir"
  source=$(go mod download -json $module@"$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  cp --no-preserve=mode -r "$source/charts/aad-pod-identity/crds" "$dir/"
  CGO_ENABLED=0 go build -p 2 -trimpath -ldflags "-s -w -X $module/version.NMIVersion=${version#v}" \
    -o "$dir/nmi.part" $module/cmd/nmi
  mv "$dir/nmi.part" "$dir/nmi"
fi
echo "$dir"
