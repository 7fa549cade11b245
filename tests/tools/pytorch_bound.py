"""The official RS-Mamba in PyTorch, timed: on the CPU a bound, with its scan replaced by `y = u`; on a GPU with mamba's kernel.

    python tests/tools/pytorch_bound.py OFFICIAL_CLONE --task ss --size 256 --mode forward [--threads 2 --repeats 5]
    python tests/tools/pytorch_bound.py OFFICIAL_CLONE … --device cuda --scan mamba

Needs torch, timm, einops and fvcore, and mamba-ssm with its CUDA kernels for `--scan mamba`. Prints the same JSON keys as
`burn-rsmamba-cli bench`; memory is the peak above the loaded model, of the process on a CPU, of PyTorch's pool on a GPU.
"""

import argparse
import importlib
import json
import os
import pathlib
import statistics
import sys
import time
import warnings


def status_kib(key):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise SystemExit(f"/proc/self/status has no {key}: memory is measured on Linux only")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=pathlib.Path)
    parser.add_argument("--task", choices=["ss", "cd"], default="ss")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--mode", choices=["forward", "train"], default="forward")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--scan", choices=["none", "mamba"], default="none")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16 is PyTorch's autocast")
    args = parser.parse_args()

    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    folder, module, name = {
        "ss": ("semantic_segmentation_mamba", "rs_mamba_ss", "RSM_SS"),
        "cd": ("change_detection_mamba", "rs_mamba_cd", "RSM_CD"),
    }[args.task]
    sys.path.insert(0, str(args.clone / folder))
    official = importlib.import_module(module)

    class NoScan:
        @staticmethod
        def apply(u, *_):
            return u

    if args.scan == "mamba" and not hasattr(official, "selective_scan_cuda"):
        sys.exit("selective_scan_cuda is not installed: MAMBA_KEEP_CUDA_BUILD=TRUE pip install mamba-ssm --no-build-isolation")
    chosen = official.SelectiveScanMamba if args.scan == "mamba" else NoScan
    # Version 3 calls the first of these by name; the official class binds its scan as a default argument too.
    for scan in ("SelectiveScanOflex", "SelectiveScanCore", "SelectiveScanMamba"):
        setattr(official, scan, chosen)
    for kind in vars(official).values():
        core = getattr(kind, "forward_corev2", None)
        if core is not None:
            core.__defaults__ = tuple(
                chosen if getattr(value, "__name__", "").startswith("SelectiveScan") else value
                for value in core.__defaults__
            )
    model = getattr(official, name)(
        dims=96, depths=[2, 2, 9, 2], ssm_d_state=16, ssm_ratio=2.0, mlp_ratio=4.0, forward_type="v3", num_classes=1,
    )
    assert sum(p.numel() for p in model.parameters()) == {"ss": 50379057, "cd": 51948657}[args.task]
    device = torch.device(args.device)
    model.to(device)
    image = lambda channels: torch.rand(args.batch, channels, args.size, args.size, device=device)
    dates = [image(3) for _ in range(2 if args.task == "cd" else 1)]
    labels = (image(1) > 0.5).float()
    model.train(args.mode == "train")
    gpu = args.device == "cuda"

    def once():
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            return once_as_it_is()

    def once_as_it_is():
        if args.mode == "forward":
            with torch.no_grad():
                return model(*dates)
        model.zero_grad(set_to_none=True)
        logits = model(*dates)
        logits = logits[0] if isinstance(logits, (tuple, list)) else logits
        p = torch.sigmoid(logits)
        dice = 1 - (2 * (p * labels).sum() + 1e-5) / (p.sum() + labels.sum() + 1e-5)
        (torch.nn.functional.binary_cross_entropy_with_logits(logits, labels) + dice).backward()

    if gpu:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        loaded = torch.cuda.memory_reserved()
    else:
        loaded = status_kib("VmRSS")
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    seconds = []
    for repeat in range(args.repeats + 1):
        start = time.perf_counter()
        once()
        if gpu:
            torch.cuda.synchronize()
        if repeat:
            seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds),
        "images_per_s": args.batch / statistics.median(seconds),
        "peak_bytes": torch.cuda.max_memory_reserved() - loaded if gpu else (status_kib("VmHWM") - loaded) * 1024,
        "task": args.task, "size": args.size, "mode": args.mode, "threads": args.threads,
    }))


main()
