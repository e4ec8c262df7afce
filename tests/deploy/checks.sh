# shellcheck shell=bash
# Every file of deploy/ by a tool of its own; sourced by tests/run.sh, whose `stage` and `skip` it uses.

# Functions are called by `stage`; variables are set by bootstrap.sh and run.sh.
# shellcheck disable=SC2154,SC2317,SC2329

# Beyond this systemd calls a service exposed.
most_exposure=2.0

dockerfile() {
    "$deploy_tools/hadolint" deploy/Dockerfile
}

compose_file() {
    "$deploy_tools/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml
}

manifests() {
    local own=(deploy/kubernetes/{keda,prometheusrule,servicemonitor}.yaml)
    local kinds=()
    local file
    for file in deploy/kubernetes/*.yaml; do
        case " ${own[*]} deploy/kubernetes/kustomization.yaml " in
            *" $file "*) ;;
            *) kinds+=("$file") ;;
        esac
    done
    # A kind without a schema would pass with a warning.
    local said
    said=$("$deploy_tools/kubernetes-validate" --strict "${kinds[@]}" 2>&1) || { echo "$said" && return 1; }
    ! grep -F 'WARN' <<<"$said" || return 1
    "$deploy_tools/check-jsonschema" --schemafile tests/deploy/custom_resources.schema.json "${own[@]}"
    bash tests/deploy/prometheusrule.sh | diff deploy/kubernetes/prometheusrule.yaml - || {
        echo "write it anew: bash tests/deploy/prometheusrule.sh >deploy/kubernetes/prometheusrule.yaml"
        return 1
    }
}

kustomization() {
    kubectl kustomize deploy/kubernetes >"$scratch/kubernetes.yaml" &&
        "$deploy_tools/kubernetes-validate" --strict --no-warn --quiet "$scratch/kubernetes.yaml"
}

unit() {
    local copy=$scratch/roadie.service said exposure
    # The program is not where the unit looks for it.
    sed 's#/usr/local/bin/roadie#/bin/true#' deploy/systemd/roadie.service >"$copy"
    # What it does not know it only mentions.
    if ! said=$("$systemd_analyze" verify "$copy" 2>&1) || [ -n "$said" ]; then
        echo "$said"
        return 1
    fi
    said=$("$systemd_analyze" security --offline=true "$copy") || true
    exposure=$(sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p' <<<"$said")
    echo "exposure $exposure of 10"
    awk -v found="${exposure:-10}" -v most="$most_exposure" 'BEGIN { exit !(found <= most) }' ||
        { echo "$said" && return 1; }
}

rules() {
    (cd deploy/prometheus && "$prometheus_bin/promtool" check config prometheus.yml &&
        "$prometheus_bin/promtool" test rules alerts_test.yml)
}

agreement() {
    "$deploy_tools/python3" tests/deploy/agreement.py
}

deploy_files() {
    if need_deploy_tools; then
        stage "deploy: Dockerfile" dockerfile
        stage "deploy: compose.yaml" compose_file
        stage "deploy: kubernetes" manifests
        stage "deploy: agreement" agreement
    else
        skip "the check of the Dockerfile, compose.yaml and manifests" "their tools could not be installed"
    fi
    if need_kubectl; then
        stage "deploy: kustomization" kustomization
    else
        skip "the check of kustomization.yaml" "kubectl could not be found or unpacked"
    fi
    if need_systemd_analyze; then
        stage "deploy: systemd" unit
    else
        skip "the check of roadie.service" "systemd-analyze could not be found or unpacked"
    fi
    if need_prometheus; then
        stage "deploy: prometheus" rules
    else
        skip "the check of the alerts" "promtool could not be found or unpacked"
    fi
}
