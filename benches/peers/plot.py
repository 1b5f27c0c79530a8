"""Draws a report: how right and how fast, Vectra beside the peers.

    python plot.py RESULTS/DATE-bench.json RESULTS/DATE-peers.svg
"""

import json
import sys
from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)

TITLES = {"sift1m": "SIFT-1M, 1,000,000 × 128", "minilm": "MiniLM, 50,000 × 384"}
OURS, THEIRS = "#c0392b", "#34495e"
MARKERS = "osD^v<>p"


def main() -> None:
    report = json.loads(Path(sys.argv[1]).read_text())
    points = {key: points_of(report, key) for key in TITLES}
    shown = [key for key, of_set in points.items() if of_set]
    if not shown:
        sys.exit(f"{sys.argv[1]} has nothing to draw")
    # The same text makes the same file, so that a redrawing is no change.
    plt.rcParams.update({"svg.hashsalt": "vectra", "svg.fonttype": "none", "font.size": 9})
    figure, axes = plt.subplots(2, len(shown), figsize=(5.2 * len(shown), 7.4), squeeze=False)
    for column, key in enumerate(shown):
        draw_rates(axes[0][column], points[key], TITLES[key])
        draw_latencies(axes[1][column], points[key])
    occasion = report["occasion"]
    figure.suptitle(f"{occasion['date']}, {occasion['machine']}", fontsize=8, color="#7f8c8d")
    figure.tight_layout()
    figure.savefig(sys.argv[2], metadata={"Date": None})


def points_of(report: dict, key: str) -> list[dict]:
    """What there is to draw of one set: label, recall, queries a second, milliseconds."""
    points = []
    http = of_set(report["http"], key)
    if http:
        runs = {each["connections"]: each["runs"] for each in http["searches"]}
        points.append(
            {
                "label": "Vectra over HTTP",
                "ours": True,
                "recall": min(run["recall"] for each in runs.values() for run in each),
                "rate": median(run["qps"] for run in runs[64]),
                "latency": median(run["p50_ms"] for run in runs[1]),
            }
        )
    engine = report["engine"].get(key)
    if engine and engine["recall"] is not None:
        points.append(
            {
                "label": "Vectra, engine alone",
                "ours": True,
                "recall": engine["recall"],
                "rate": max(scan["queries_per_second"] for scan in engine["aboard"]),
                "latency": engine["one_query_ms"],
            }
        )
    peers = of_set(report["peers"], key)
    for peer in peers["peers"] if peers else []:
        points.append(
            {
                "label": f"{peer['name']} {peer['version']}",
                "ours": False,
                "recall": peer["recall"],
                "rate": peer["qps"],
                "latency": peer["p50_ms"],
            }
        )
    return points


def of_set(figures: dict | None, key: str) -> dict | None:
    sets = figures["sets"] if figures else []
    return next((each for each in sets if each["key"] == key), None)


def draw_rates(axes: plt.Axes, points: list[dict], title: str) -> None:
    for point, marker in zip(points, MARKERS):
        colour = OURS if point["ours"] else THEIRS
        size = 90 if point["ours"] else 45
        axes.scatter(
            point["recall"], point["rate"], s=size, c=colour, marker=marker, label=point["label"]
        )
    axes.set_yscale("log")
    lowest = min(point["recall"] for point in points)
    axes.set_xlim(min(lowest - 0.005, 0.98), 1.003)
    axes.set_title(title)
    axes.set_xlabel("recall@10")
    axes.set_ylabel("queries/s, at best")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(loc="best", fontsize=7)


def draw_latencies(axes: plt.Axes, points: list[dict]) -> None:
    points = points[::-1]
    bars = axes.barh(
        [point["label"] for point in points],
        [point["latency"] for point in points],
        color=[OURS if point["ours"] else THEIRS for point in points],
    )
    axes.bar_label(bars, fmt="%.2f ms", padding=3, fontsize=7)
    axes.margins(x=0.18)
    axes.set_xlabel("one query, p50, milliseconds")
    axes.tick_params(axis="y", labelsize=7)


if __name__ == "__main__":
    main()
