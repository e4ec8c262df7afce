#!/usr/bin/env bash
# Prints deploy/kubernetes/prometheusrule.yaml: the alerts as the Prometheus operator wants them.
#   bash tests/deploy/prometheusrule.sh >deploy/kubernetes/prometheusrule.yaml
set -euo pipefail

cat <<'HEAD'
# The alerts of deploy/prometheus/alerts.yml for the Prometheus operator; not to be edited. Written by
#   bash tests/deploy/prometheusrule.sh >deploy/kubernetes/prometheusrule.yaml
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: roadie
  labels: { app.kubernetes.io/name: roadie }
spec:
HEAD
sed -n '/^groups:/,$ s/^/  /p' "$(dirname "${BASH_SOURCE[0]}")/../../deploy/prometheus/alerts.yml"
