"""Our scan on a GPU against mamba's `selective_scan_cuda`, in one run on one device; prints a Markdown table.

    cargo bench -p burn-rsmamba-tests --features cuda --bench gpu --no-run      # prints the path of BENCH
    python tests/tools/compare_gpu_scans.py BENCH OFFICIAL_CLONE [quick]

Run with a Python that has torch for CUDA, timm, einops, fvcore and mamba-ssm (built with its CUDA kernels). BENCH proves our
kernels and times them; then mamba's kernel is timed at the same shapes on random operands:

* `kernel`: mamba's kernel alone, fed with the eight sequences and steps in full;
* `counted`: from the map and its projection to the map, as ours: the official code's expansion, the step's product, the
  copies of B and C, the kernel, the official merge.

`--scan none` puts `y = u` in the kernel's place and `--torch-device cpu` takes the processor: to try this program without a GPU.
"""

import argparse
import importlib
import json
import pathlib
import statistics
import subprocess
import sys
import time
import warnings


def official(clone):
    """The module of the official code that has the expansion and the merge."""
    warnings.filterwarnings("ignore")
    sys.path.insert(0, str(clone / "semantic_segmentation_mamba"))
    return importlib.import_module("rs_mamba_ss")


class NoScan:
    @staticmethod
    def apply(u, *_):
        return u


def seconds(device, call, at_least=0.06):
    """Median of five batches of calls, each long enough and waited for once, as in tests/benches/gpu.rs."""
    import torch

    def batch(calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    batch(1)
    calls = 1
    while batch(calls) < at_least:
        calls *= 2
    return statistics.median(batch(calls) / calls for _ in range(5))


def rival(row, module, scan, device):
    """Seconds of the rival at the shape of a row of the bench: kernel and counted, forward and backward."""
    import torch

    batch, d, side, n, r, k = (row[key] for key in ("batch", "channels", "side", "states", "rank", "directions"))
    length = side * side
    torch.manual_seed(0)
    leaf = lambda *shape, low=-1.0, high=1.0: (torch.rand(*shape, device=device) * (high - low) + low).requires_grad_()
    x, rows = leaf(batch, d, side, side), leaf(batch, k, r + 2 * n, length)
    weight, a = leaf(k, d, r, low=-0.3, high=0.3), leaf(k * d, n, low=-4.0, high=-0.05)
    skip, bias = leaf(k * d), leaf(k * d, low=-4.0, high=-1.0)
    dy = torch.rand(batch, d, length, device=device)

    def sequences():
        xs = module.CrossScan.apply(x).reshape(batch, k * d, length)
        low, b, c = torch.split(rows, [r, n, n], dim=2)
        dts = torch.einsum("b k r l, k d r -> b k d l", low, weight).reshape(batch, k * d, length)
        return xs.contiguous(), dts.contiguous(), b.contiguous(), c.contiguous()

    run = lambda xs, dts, b, c: scan.apply(xs, dts, a, b, c, skip, bias, True, -1, -1, True)

    def counted():
        ys = run(*sequences()).reshape(batch, k, -1, side, side)
        return module.CrossMerge.apply(ys).reshape(batch, d, length)

    fed = [operand.detach().requires_grad_() for operand in sequences()]
    parameters = [a, skip, bias]
    kernel, whole = lambda: run(*fed), counted
    dys = torch.rand(batch, k * d, length, device=device)

    def backward(output, gradient, inputs):
        y = output()
        # the graph stays, so that the pass can be repeated; what is not reached is mamba's own affair
        return lambda: torch.autograd.grad(y, inputs, gradient, retain_graph=True, allow_unused=True)

    def forward(call):
        def without_graph():
            with torch.no_grad():
                call()

        return without_graph

    return {
        "kernel": seconds(device, forward(kernel)),
        "counted": seconds(device, forward(whole)),
        "kernel_backward": seconds(device, backward(kernel, dys, [*fed, *parameters])),
        "counted_backward": seconds(device, backward(whole, dy, [x, rows, weight, *parameters])),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=pathlib.Path)
    parser.add_argument("clone", type=pathlib.Path)
    parser.add_argument("words", nargs="*", default=[], metavar="quick", help="passed on to the bench")
    parser.add_argument("--scan", choices=["mamba", "none"], default="mamba")
    parser.add_argument("--torch-device", default="cuda")
    args = parser.parse_args()

    import torch

    device = torch.device(args.torch_device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device; `--torch-device cpu --scan none` tries this program without one")
    module = official(args.clone)
    if args.scan == "mamba" and not hasattr(module, "selective_scan_cuda"):
        sys.exit("selective_scan_cuda is not installed: MAMBA_KEEP_CUDA_BUILD=TRUE pip install mamba-ssm --no-build-isolation")
    scan = module.SelectiveScanMamba if args.scan == "mamba" else NoScan

    output = subprocess.run([args.bench, "--bench", "json", *args.words], check=True, stdout=subprocess.PIPE, text=True).stdout
    head, *rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")] or [None]
    if not rows:
        sys.exit(f"{args.bench} printed no row: {output.strip()}")
    rival_device = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"ours on {head['device']}, theirs ({args.scan}) on {rival_device}, PyTorch {torch.__version__}\n")
    names = ["image", "batch", "channels x map"]
    for kind in ("forward", "backward"):
        names += [f"{kind}, ms", "kernel, ms", "ratio", "counted, ms", "ratio"]
    print("| " + " | ".join(names) + " |")
    print("|---" * len(names) + "|")
    for row in rows:
        theirs = rival(row, module, scan, device)
        cells = [f"{row['image']}²", str(row["batch"]), f"{row['channels']} x {row['side']}²"]
        for kind, suffix in (("forward", ""), ("backward", "_backward")):
            cells.append(f"{1e3 * row[kind]:.3f}")
            for how in ("kernel", "counted"):
                cells += [f"{1e3 * theirs[how + suffix]:.3f}", f"{theirs[how + suffix] / row[kind]:.2f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


main()
