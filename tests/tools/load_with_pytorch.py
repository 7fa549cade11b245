"""Loads exported weights into the official PyTorch model, strictly, compares logits, and saves a checkpoint in return.

    python tests/tools/load_with_pytorch.py OFFICIAL_CLONE WEIGHTS.safetensors CASE.safetensors CONFIG

WEIGHTS is what `burn-rsmamba-cli export` wrote. CASE holds images `x1` (and `x2`) and our `logits`; CONFIG is JSON, the
constructor's arguments and `task`. The checkpoint, WEIGHTS.pth, has the same values beside the state of an optimiser, as the
official training writes it, and its convolutions channel-last. Needs torch, safetensors, timm and einops, on any CPU: the CUDA scan is replaced by its recurrence.
"""

import importlib
import json
import pathlib
import sys
import types
import warnings

import numpy
import torch
from safetensors.torch import load_file

warnings.filterwarnings("ignore")
clone, weights, case, config = pathlib.Path(sys.argv[1]), sys.argv[2], load_file(sys.argv[3]), json.loads(sys.argv[4])


class Scan:
    @staticmethod
    def apply(u, delta, A, B, C, D=None, delta_bias=None, delta_softplus=False, *_):
        repeat = u.shape[1] // B.shape[1]
        u, delta, A, B, C, D, delta_bias = (t.double() for t in (u, delta, A, B, C, D, delta_bias))
        B, C = (t.repeat_interleave(repeat, dim=1) for t in (B, C))
        delta = delta + delta_bias[:, None]
        if delta_softplus:
            delta = torch.nn.functional.softplus(delta)
        h, y = torch.zeros(*u.shape[:2], A.shape[1], dtype=u.dtype), []
        for t in range(u.shape[2]):
            h = torch.exp(delta[:, :, t, None] * A) * h + (delta[:, :, t] * u[:, :, t])[:, :, None] * B[..., t]
            y.append((h * C[..., t]).sum(-1))
        return (torch.stack(y, -1) + D[:, None] * u).float()


# imported for a FLOP count that is not wanted here
fvcore = types.ModuleType("fvcore.nn")
fvcore.FlopCountAnalysis = fvcore.flop_count_str = fvcore.flop_count = fvcore.parameter_count = None
sys.modules.update({"fvcore": types.ModuleType("fvcore"), "fvcore.nn": fvcore})

folder, module, name = {
    "ss": ("semantic_segmentation_mamba", "rs_mamba_ss", "RSM_SS"),
    "cd": ("change_detection_mamba", "rs_mamba_cd", "RSM_CD"),
}[config.pop("task")]
sys.path.insert(0, str(clone / folder))
official = importlib.import_module(module)
# the model binds it when it is made
official.SelectiveScanOflex = Scan
model = getattr(official, name)(forward_type="v3", num_classes=1, **config).eval()
model.load_state_dict(load_file(weights), strict=True)

logits = model(*(case[key] for key in ("x1", "x2") if key in case))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
logits.mean().backward()
optimizer.step()
model.to(memory_format=torch.channels_last)
checkpoint = {"net": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": numpy.float64(0.5)}
torch.save(checkpoint, pathlib.Path(weights).with_suffix(".pth"))

difference = (logits - case["logits"]).detach().abs().max().item()
print(json.dumps({"tensors": len(model.state_dict()), "logits": logits.numel(), "difference": difference}))
assert difference <= 2e-4, difference
