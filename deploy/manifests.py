#!/usr/bin/env python3
"""Checks the chart in deploy/helm and the manifests in deploy/kubernetes, without a cluster.

The chart is rendered by Helm's own engine for each of CASES and must pass Helm's lint, yamllint, the
schemas of the oldest and the newest Kubernetes, and `agreement`: what must hold between the objects, and
between them and the image. deploy/kubernetes/vectra.yaml must be what the chart renders by itself.

    deploy/manifests.py            checks, changes nothing
    deploy/manifests.py --write    writes deploy/kubernetes/vectra.yaml anew
"""

import itertools
import re
import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

DEPLOY = Path(__file__).resolve().parent
CHART = DEPLOY / "helm" / "vectra"
RENDERED = DEPLOY / "kubernetes" / "vectra.yaml"

HEADER = "# What deploy/helm/vectra renders by itself: `just render-manifests` writes it, change the chart instead.\n"

# The oldest that the chart accepts, and the newest that is known.
KUBERNETES = ["1.25", "1.37"]

# Release and values. The first is what stands in deploy/kubernetes.
CASES = [
    ("vectra", {}),
    ("vectra", {"apiKeys": {"secret": ""}, "networkPolicy": False}),
    ("a.long-release.name-of-fifty-three-letters-that-is-cut", {"antiAffinity": "required"}),
    (
        "all",
        {
            "image": {"repository": "registry.example.com/vectra-engine", "tag": "edge", "pullPolicy": "Always"},
            "imagePullSecrets": [{"name": "registry"}],
            "service": {"type": "LoadBalancer", "annotations": {"example.com/internal": "true"}},
            "coordinator": {"count": 5, "nodeSelector": {"disk": "ssd"}},
            "shard": {
                "count": 7,
                "env": {"VECTRA_MOVE_RATE": "128MiB"},
                "storage": {"size": "1Ti", "className": "fast"},
                "tolerations": [{"key": "vectra", "operator": "Exists", "effect": "NoSchedule"}],
            },
        },
    ),
]

# Values that the chart must refuse: a slip of the keyboard is not mistaken for a default.
REFUSED = [
    {"shards": {"count": 3}},
    {"coordinator": {"count": 0}},
    {"shard": {"env": {"VECTRA_DIM": 384}}},
    {"shard": {"env": {"DIM": "384"}}},
    {"antiAffinity": "never"},
]


class Wrong(Exception):
    """What is wrong, in words."""


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def render(release: str, values: dict) -> str:
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name=release, namespace="default")
    manifests = [text.strip() for path, text in sorted(files.items()) if path.endswith(".yaml")]
    return HEADER + "---\n" + "\n---\n".join(text for text in manifests if text) + "\n"


def lint_chart(values: dict) -> None:
    report = helm.lint(CHART, values, strict=True)
    # 1 is advice, such as to draw an icon.
    messages = [f"{found['path']}: {found['error']}" for found in report["messages"] if found["severity"] > 1]
    messages += report["errors"]
    require(not messages, "helm lint: " + "; ".join(messages))


def lint_yaml(name: str, text: str) -> None:
    config = YamlLintConfig(file=str(DEPLOY / "yamllint.yaml"))
    found = [f"{name}:{problem.line}: {problem.desc}" for problem in linter.run(text, config)]
    require(not found, "yamllint: " + "; ".join(found))


def validate(manifest: dict) -> None:
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except Exception as error:  # of several classes, by what is wrong
            why = getattr(error, "message", error)
            raise Wrong(f"Kubernetes {version} refuses {title(manifest)}: {why}") from error


def title(manifest: dict) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def agreement(manifests: list[dict]) -> None:
    """What must hold between the objects, and between them and the image."""
    of_kind: dict[str, dict[str, dict]] = {}
    for manifest in manifests:
        named = of_kind.setdefault(manifest["kind"], {})
        require(manifest["metadata"]["name"] not in named, f"{title(manifest)} is there twice")
        named[manifest["metadata"]["name"]] = manifest
    sets, services = of_kind["StatefulSet"], of_kind["Service"]
    require(len(sets) == 2, f"coordinators and shard nodes, not {sorted(sets)}")
    image = (DEPLOY / "Dockerfile").read_text()

    for name, workload in sets.items():
        require(len(name) <= 52, f"{name}: too long for the label of its revisions")
        spec, pod = workload["spec"], workload["spec"]["template"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        require(spec["selector"]["matchLabels"] == labels, f"{name} does not select its own pods")
        require(spec["podManagementPolicy"] == "Parallel", f"{name}: the first pod waits for others to be ready")
        require(not pod["enableServiceLinks"], f"{name}: a Service would set VECTRA_PORT")

        headless = services[spec["serviceName"]]["spec"]
        require(headless["clusterIP"] == "None", f"{name}: its Service gives its pods no names")
        require(headless["publishNotReadyAddresses"], f"{name}: its pods are found only once they are ready")
        require(headless["selector"] == labels, f"{name}: its Service selects other pods")
        budgets = [b for b in of_kind["PodDisruptionBudget"].values() if b["spec"]["selector"]["matchLabels"] == labels]
        require([b["spec"].get("maxUnavailable") for b in budgets] == [1], f"{name}: one budget, of one pod at a time")

        [container] = pod["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for variable, port in [("VECTRA_HTTP__LISTEN", "http"), ("VECTRA_GRPC__LISTEN", "grpc")]:
            require(f"{variable}=0.0.0.0:{ports[port]}" in image, f"{name}: the image listens elsewhere than {ports}")
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
            require(container[probe]["httpGet"]["port"] == "http", f"{name}: {probe} asks another port")
        [mount] = container["volumeMounts"]
        require(f"VECTRA_DATA_DIR={mount['mountPath']}" in image, f"{name}: the volume is not the data directory")
        require([c["metadata"]["name"] for c in spec["volumeClaimTemplates"]] == [mount["name"]], f"{name}: no volume")
        user = pod["securityContext"]["runAsUser"]
        require(f"--uid {user} " in image, f"{name}: the image has no user {user}")
        require(pod["securityContext"]["fsGroup"] == user, f"{name}: its user cannot write to a new volume")
        variables = [variable["name"] for variable in container["env"]]
        require(len(variables) == len(set(variables)), f"{name}: a variable is set twice, of {variables}")
        addresses(name, spec, container["args"], ports, sets)

    selected = [workload["spec"]["template"]["metadata"]["labels"] for workload in sets.values()]
    for name, service in services.items():
        wanted = service["spec"]["selector"].items()
        require(any(wanted <= labels.items() for labels in selected), f"Service {name} selects no pod")
        for port in service["spec"]["ports"]:
            require(port["port"] == ports[port["targetPort"]], f"Service {name}: port {port} is another in the pods")
    for name, policy in of_kind.get("NetworkPolicy", {}).items():
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        require(all(wanted <= labels.items() for labels in selected), f"NetworkPolicy {name} misses pods")


def addresses(name: str, spec: dict, args: list[str], ports: dict, sets: dict) -> None:
    """Every node is advertised by its pod's name; coordinators are named by theirs, all of them."""
    role, *flags = args
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    require(name.endswith(f"-{role}"), f"{name} runs as {role}")
    require(
        given["--advertise"] == f"$(POD_NAME).{spec['serviceName']}:{ports['grpc']}",
        f"{name} is advertised as {given['--advertise']}",
    )
    [(front, coordinators)] = [(n, s["spec"]) for n, s in sets.items() if n.endswith("-coordinator")]
    names = [f"{front}-{number}.{coordinators['serviceName']}" for number in range(coordinators["replicas"])]
    wanted = {
        "coordinator": ("--peers", [f"{name}:{ports['grpc']}" for name in names]),
        "shard": ("--join", [f"http://{name}:{ports['http']}" for name in names]),
    }
    flag, all_of_them = wanted[role]
    named = given.get(flag, "nothing").split(",")
    require(named == all_of_them, f"{name}: {flag} is {named}, not {all_of_them}")


def check_versions() -> None:
    workspace = re.search(r'^version = "(.+)"', (DEPLOY.parent / "Cargo.toml").read_text(), re.M)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    found = {"Cargo.toml": workspace and workspace[1], "version": chart["version"], "appVersion": str(chart["appVersion"])}
    require(len(set(found.values())) == 1, f"Chart.yaml and Cargo.toml differ in their versions: {found}")


def check_refused(values: dict) -> None:
    with helm.Chart.load(CHART) as chart:
        try:
            chart.validate_schema(chart.merge_values(values))
        except helm.HelmError:
            return
    raise Wrong(f"the chart takes values that it should refuse: {values}")


def check() -> None:
    check_versions()
    for path in itertools.chain(CHART.glob("*.yaml"), RENDERED.parent.glob("*.yaml"), [DEPLOY / "yamllint.yaml"]):
        lint_yaml(path.name, path.read_text())
    for release, values in CASES:
        lint_chart(values)
        text = render(release, values)
        lint_yaml(f"the chart as {release}", text)
        manifests = list(yaml.safe_load_all(text))
        for manifest in manifests:
            validate(manifest)
        agreement(manifests)
    for values in REFUSED:
        check_refused(values)
    require(
        RENDERED.read_text() == render(*CASES[0]),
        f"{RENDERED.name} is not what the chart renders: `just render-manifests`",
    )
    print(
        f"manifests: {len(CASES)} renderings by Helm {helm.helm_sdk_version()} are sound for Kubernetes "
        f"{' and '.join(KUBERNETES)}; deploy/kubernetes is the first of them"
    )


def main() -> None:
    if sys.argv[1:] == ["--write"]:
        RENDERED.write_text(render(*CASES[0]))
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        try:
            check()
        except Wrong as wrong:
            sys.exit(f"manifests: {wrong}")


if __name__ == "__main__":
    main()
