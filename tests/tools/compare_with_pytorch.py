"""Our models against the official ones in PyTorch (see pytorch_bound.py), in turns on one machine; prints a Markdown table.

    python tests/tools/compare_with_pytorch.py target/release/burn-rsmamba-cli OFFICIAL_CLONE [--rounds 3]
    python tests/tools/compare_with_pytorch.py … --device cuda --torch-device cuda --scan mamba

Run with a Python that has torch, timm, einops and fvcore, and mamba-ssm with its CUDA kernels for the second. Every round starts both programs once for every case; the table
has medians over the rounds, so that a slow minute of the machine meets both.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

# task, pass, size, repeats, batch
CPU_CASES = [
    ("ss", "forward", 256, 7, 1),
    ("ss", "train", 256, 5, 1),
    ("cd", "forward", 256, 5, 1),
    ("ss", "forward", 512, 3, 1),
    ("ss", "train", 512, 2, 1),
    ("ss", "forward", 1024, 2, 1),
]

GPU_CASES = [
    (task, mode, size, 9, batch)
    for task in ("ss", "cd")
    for mode in ("forward", "train")
    for size, batch in ((256, 1), (256, 8), (512, 1), (512, 8), (1024, 1))
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
    parser.add_argument("--torch-device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--scan", choices=["none", "mamba"], default="none", help="of PyTorch: none is `y = u`")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--case", action="append", help="TASK,PASS,SIZE,REPEATS,BATCH in place of the usual ones; may come again")
    args = parser.parse_args()
    bound = pathlib.Path(__file__).with_name("pytorch_bound.py")

    ours = [args.ours, "bench", "--preset", "tiny", "--device", args.device, "--json", "-q"]
    theirs = [sys.executable, bound, args.clone, "--device", args.torch_device, "--scan", args.scan]
    rival = "PyTorch without a scan" if args.scan == "none" else "PyTorch with mamba's kernel"
    print(f"| model | pass | image | batch | ours, s | {rival}, s | ratio | ours, MB | PyTorch, MB | ratio |")
    print("|---" * 10 + "|")
    usual = CPU_CASES if args.torch_device == "cpu" else GPU_CASES
    for task, mode, size, repeats, batch in [case.split(",") for case in args.case or []] or usual:
        common = ["--task", task, "--mode", mode, "--size", str(size), "--repeats", str(repeats)]
        common += ["--threads", str(args.threads), "--batch", str(batch), "--precision", args.precision]
        found = {"ours": [], "torch": []}
        for _ in range(args.rounds):
            found["ours"].append(report([*ours, *common]))
            found["torch"].append(report([*theirs, *common]))
        seconds = {who: statistics.median(r["median_s"] for r in runs) for who, runs in found.items()}
        memory = {who: statistics.median(r["peak_bytes"] for r in runs) / 1e6 for who, runs in found.items()}
        print(
            f"| {task} | {mode} | {size}² | {batch} | {seconds['ours']:.3f} | {seconds['torch']:.3f} "
            f"| {seconds['ours'] / seconds['torch']:.2f} | {memory['ours']:.0f} | {memory['torch']:.0f} "
            f"| {memory['ours'] / memory['torch']:.2f} |",
            flush=True,
        )


main()
