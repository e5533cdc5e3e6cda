#!/usr/bin/env bash
# Builds main.go once and prints the folder that holds etcd, kube-apiserver, kubectl and the others
# (all links to one program). The folder lies outside the checkout and is keyed by what it was built from.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v go >/dev/null; then
  echo "the tests build Kubernetes from its Go modules: install Go 1.26 or newer (https://go.dev/doc/install)," >&2
  echo "or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl." >&2
  exit 1
fi

version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$here/go.mod")
key=$version-$(cat "$here"/go.mod "$here"/go.sum "$here"/main.go "$here"/build.sh | sha256sum | cut -c1-12)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/nmi-guard/kubernetes-$key
if [ -x "$dir/kubernetes" ]; then
  echo "$dir"
  exit 0
fi

echo "building Kubernetes $version and etcd (several minutes, once) into $dir" >&2
mkdir -p "$dir"
minor=${version#v1.}
component=k8s.io/component-base/version
# The version is stamped in: without it the API server believes that it is v0.0.0.
flags="-s -w -X $component.gitVersion=$version -X $component.gitMajor=1 -X $component.gitMinor=${minor%%.*}"
(cd "$here" && go build -p 2 -trimpath -ldflags "$flags" -o "$dir/kubernetes.part" .)
for name in etcd kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet; do
  ln -sf kubernetes "$dir/$name"
done
mv "$dir/kubernetes.part" "$dir/kubernetes"
echo "$dir"
