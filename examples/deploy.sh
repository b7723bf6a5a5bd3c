#!/usr/bin/env bash
# Installs the operator by its charts and applies the shop, in one namespace of the cluster of KUBECONFIG, and waits until everything is ready.
#
#   deploy.sh NAMESPACE
#
# The cluster must have the images, as the node of `make dev-cluster` has, and volumes for claims.
set -euo pipefail

namespace=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
helm=$(tests/tools/build.sh helm)
kubectl=$(tests/tools/build.sh kubernetes)/kubectl

"$kubectl" get namespace "$namespace" >/dev/null 2>&1 || "$kubectl" create namespace "$namespace"
# Definitions that somebody applied by hand belong to the release from now on.
"$helm" upgrade --install angzarr-crds charts/angzarr-operator-crds --namespace "$namespace" --take-ownership
"$helm" upgrade --install angzarr charts/angzarr-operator --namespace "$namespace" --set scope=namespaced --wait --timeout 2m
"$kubectl" apply --namespace "$namespace" --filename - --filename examples/shop <<'CLAIM'
# The rows of the page, which the shop's web projector expects.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: shop-web
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
CLAIM
"$kubectl" wait eventstores,aggregates,sagas,projectors --all --namespace "$namespace" --for=condition=Ready --timeout=180s
"$kubectl" get angzarr --namespace "$namespace"
