"""What no schema knows: where the files of deploy/ must agree with each other, with the configuration and
with the runbook. Prints every disagreement; exit code 1 if there is one."""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# What a process needs after worker.grace_period: to release the rest, and to close.
CLOSING_SECONDS = 10

faults = []


def agree(fits, fault):
    if not fits:
        faults.append(fault)


def text(path):
    return (DEPLOY / path).read_text()


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)([sm])", duration).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def resources(path):
    return {found["kind"]: found for found in yaml.safe_load_all(text(f"kubernetes/{path}"))}


def alerts_are_tested_and_explained():
    groups = yaml.safe_load(text("prometheus/alerts.yml"))["groups"]
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    told = {}
    for test in yaml.safe_load(text("prometheus/alerts_test.yml"))["tests"]:
        for case in test["alert_rule_test"]:
            told.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    headings = set(re.findall(r"^### (Roadie\w+)$", text("RUNBOOK.md"), re.M))
    for name, rule in alerts.items():
        agree(told.get(name) == {True, False}, f"{name}: no test that it fires, or none that it does not")
        agree(name in headings, f"{name}: RUNBOOK.md has no heading `### {name}`")
        link = f"deploy/RUNBOOK.md#{name.lower()}"
        agree(rule["annotations"].get("runbook_url") == link, f"{name}: runbook_url is not {link}")
        agree(rule["labels"].get("severity") in ("critical", "warning"), f"{name}: how severe is it?")
    for name in headings - alerts.keys():
        faults.append(f"RUNBOOK.md explains {name}, which is no alert")


def links_of_the_runbook_lead_somewhere():
    runbook = text("RUNBOOK.md")
    # As GitHub makes anchors of headings, as far as these go.
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", runbook, re.M)
    }
    for link in re.findall(r"\]\(#([^)]+)\)", runbook):
        agree(link in anchors, f"RUNBOOK.md links to #{link}, which is no heading")


def whoever_kills_waits_long_enough():
    compose = yaml.safe_load(text("compose.yaml"))["services"]
    pod = resources("deployment.yaml")["Deployment"]["spec"]["template"]["spec"]
    unit = re.search(r"^TimeoutStopSec=(\S+)", text("systemd/roadie.service"), re.M).group(1)
    production = (ROOT / "config/production.toml").read_text()
    for name, config, patience in [
        ("compose.yaml", production, seconds(compose["roadie"]["stop_grace_period"])),
        ("roadie.service", production, seconds(unit)),
        ("deployment.yaml", text("kubernetes/roadie.toml"), pod["terminationGracePeriodSeconds"]),
    ]:
        grace = seconds(re.search(r'^grace_period = "(\w+)"', config, re.M).group(1))
        agree(
            patience >= grace + CLOSING_SECONDS,
            f"{name} kills after {patience} s, but {grace} s of grace and {CLOSING_SECONDS} s are needed",
        )


def both_autoscalers_do_the_same():
    scaled = resources("keda.yaml")["ScaledObject"]["spec"]
    hpa = resources("hpa.yaml")
    rules = yaml.safe_load(hpa["ConfigMap"]["data"]["external.yaml"])
    hpa = hpa["HorizontalPodAutoscaler"]["spec"]
    agree(
        (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (hpa["minReplicas"], hpa["maxReplicas"]),
        "keda.yaml and hpa.yaml scale between other numbers of replicas",
    )
    agree(
        scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == hpa["behavior"],
        "keda.yaml and hpa.yaml scale at another pace",
    )
    queries = {rule["name"]["as"]: rule["metricsQuery"] for rule in rules}
    targets = [
        (queries[metric["external"]["metric"]["name"]], metric["external"]["target"]["averageValue"])
        for metric in hpa["metrics"]
    ]
    triggers = [(t["metadata"]["query"], t["metadata"]["threshold"]) for t in scaled["triggers"]]
    agree(targets == triggers, "keda.yaml and hpa.yaml scale by other numbers")


def one_version_everywhere():
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    images = yaml.safe_load(text("kubernetes/kustomization.yaml"))["images"]
    for place, fits in [
        ("kubernetes/kustomization.yaml", images[0]["newTag"] == version),
        ("compose.yaml", f"image: roadie:${{ROADIE_VERSION:-{version}}}" in text("compose.yaml")),
        ("env.example", f"ROADIE_VERSION={version}\n" in text("env.example")),
    ]:
        agree(fits, f"deploy/{place} names another version than Cargo.toml ({version})")


def every_variable_is_in_the_example():
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", text("compose.yaml")))
    named = set(re.findall(r"^([A-Z0-9_]+)=", text("env.example"), re.M))
    agree(used == named, f"compose.yaml and env.example name other variables: {sorted(used ^ named)}")


def every_manifest_is_listed():
    kustomization = yaml.safe_load(text("kubernetes/kustomization.yaml"))
    apart = {"kustomization.yaml", "secret.example.yaml", "hpa.yaml"}
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - apart
    listed = set(kustomization["resources"])
    agree(files == listed, f"kustomization.yaml lists other files than there are: {sorted(files ^ listed)}")


def grafana_finds_what_it_is_given():
    dashboard = json.loads(text("grafana/dashboard.json"))
    agree(dashboard.get("uid") == "roadie", "grafana/dashboard.json has another uid than links to it")
    provider = yaml.safe_load(text("grafana/provisioning/dashboards/roadie.yaml"))["providers"][0]
    mounts = yaml.safe_load(text("compose.yaml"))["services"]["grafana"]["volumes"]
    target = provider["options"]["path"] + "/roadie.json"
    agree(any(target in mount for mount in mounts), f"compose.yaml mounts nothing at {target}")


for check in [
    alerts_are_tested_and_explained,
    links_of_the_runbook_lead_somewhere,
    whoever_kills_waits_long_enough,
    both_autoscalers_do_the_same,
    one_version_everywhere,
    every_variable_is_in_the_example,
    every_manifest_is_listed,
    grafana_finds_what_it_is_given,
]:
    check()
print("\n".join(faults) or "the files of deploy/ agree")
sys.exit(bool(faults))
