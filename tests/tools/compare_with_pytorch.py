"""Our models against PyTorch's bound (see pytorch_bound.py), in turns on one machine; prints a Markdown table.

    python tests/tools/compare_with_pytorch.py target/release/burn-rsmamba-cli OFFICIAL_CLONE [--rounds 3]

Run with a Python that has torch, timm, einops and fvcore. Every round starts both programs once for every case; the table
has medians over the rounds, so that a slow minute of the machine meets both.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

CASES = [
    # task, mode, size, repeats
    ("ss", "forward", 256, 7),
    ("ss", "train", 256, 5),
    ("cd", "forward", 256, 5),
    ("ss", "forward", 512, 3),
    ("ss", "train", 512, 2),
    ("ss", "forward", 1024, 2),
]


def report(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", type=pathlib.Path)
    parser.add_argument("clone", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="of ours; `libtorch` in a build with the feature `tch`")
    args = parser.parse_args()
    bound = pathlib.Path(__file__).with_name("pytorch_bound.py")

    ours = [args.ours, "bench", "--preset", "tiny", "--device", args.device, "--json", "-q"]
    print("| model | pass | image | ours, s | PyTorch without a scan, s | ratio | ours, MB | PyTorch, MB | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for task, mode, size, repeats in CASES:
        common = ["--task", task, "--mode", mode, "--size", str(size), "--repeats", str(repeats)]
        common += ["--threads", str(args.threads)]
        found = {"ours": [], "torch": []}
        for _ in range(args.rounds):
            found["ours"].append(report([*ours, *common]))
            found["torch"].append(report([sys.executable, bound, args.clone, *common]))
        seconds = {who: statistics.median(r["median_s"] for r in runs) for who, runs in found.items()}
        memory = {who: statistics.median(r["peak_bytes"] for r in runs) / 1e6 for who, runs in found.items()}
        print(
            f"| {task} | {mode} | {size}² | {seconds['ours']:.3f} | {seconds['torch']:.3f} "
            f"| {seconds['ours'] / seconds['torch']:.2f} | {memory['ours']:.0f} | {memory['torch']:.0f} "
            f"| {memory['ours'] / memory['torch']:.2f} |",
            flush=True,
        )


main()
