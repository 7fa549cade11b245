"""CUDA kernels of the scan, looked at without a GPU: do they compile, how many registers do they take, do they spill?

    python -m pip install nvidia-cuda-nvrtc-cu12==12.4.127 nvidia-cuda-runtime-cu12==12.4.127 nvidia-cuda-nvcc-cu12
    python tests/tools/cuda_registers.py BINARY [TEST ...]

BINARY is a test program built with `--features cuda,cuda-cpp`, for instance the one of `tests/tests/launches.rs`. It runs on
a driver that computes nothing (`no_gpu_cuda.c`, built with gcc), so its tests may fail; every kernel that they launch is
compiled by the real NVRTC all the same. The scan's kernels are then compiled for sm_80 and sm_90 and reported by ptxas.
(NVRTC 12.9 crashes on some machines; 12.4 does not.)
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ARCHITECTURES = ("80", "90")


def package(name):
    spec = find_spec(f"nvidia.{name}")
    if spec is None:
        sys.exit(f"the package nvidia.{name} is missing; see the first lines of this file")
    return Path(list(spec.submodule_search_locations)[0])


def sources(log):
    """Distinct sources of the scan's kernels in a compilation log of CubeCL, with name and blueprint."""
    found = {}
    for block in log.split("[START_KERNEL_COMPILATION]")[1:]:
        name = re.search(r"name: (\S+)", block).group(1)
        source = re.search(r"```cpp\n(.*?)```", block, re.S)
        if "burn_rsmamba_kernels" in name and source:
            number = lambda key: (re.search(rf"\b{key}: (\d+)", block) or [None, "-"])[1]
            found.setdefault(source.group(1), (name.split("::")[-1], number("states"), number("rank")))
    return found


def ptx(nvrtc, source, architecture):
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"scan.cu", 0, None, None) == 0
    options = [f"--gpu-architecture=compute_{architecture}", f"--include-path={os.environ['CUDA_PATH']}/include"]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    failed = nvrtc.nvrtcCompileProgram(program, len(options), array)
    size = ctypes.c_size_t()
    get_size, get = (nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog) if failed else (
        nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
    get_size(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    get(program, text)
    if failed:
        sys.exit(f"NVRTC refuses a kernel for sm_{architecture}:\n{text.value.decode()}")
    return text.value


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary, tests = Path(sys.argv[1]).resolve(), sys.argv[2:]
    nvrtc_folder = package("cuda_nvrtc") / "lib"
    nvcc = package("cuda_nvcc")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", folder / "libcuda.so", TOOLS / "no_gpu_cuda.c"], check=True)
        for library in nvrtc_folder.iterdir():
            (folder / library.name).symlink_to(library)
        (folder / "libnvrtc.so").symlink_to(nvrtc_folder / "libnvrtc.so.12")
        for part in (package("cuda_runtime"), nvcc):
            shutil.copytree(part / "include", folder / "cuda/include", dirs_exist_ok=True)
        os.environ["CUDA_PATH"] = str(folder / "cuda")
        log = folder / "compilations"
        environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "CUBECL_DEBUG_LOG": str(log), "RUST_BACKTRACE": "0"}
        subprocess.run([binary, *tests], env=environment, cwd=TOOLS.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = sources(log.read_text()) if log.exists() else {}
        if not found:
            sys.exit(f"{binary} launched no kernel of the scan: was it built with `--features cuda,cuda-cpp`?")
        nvrtc = ctypes.CDLL(str(nvrtc_folder / "libnvrtc.so.12"))
        print("kernel | N | R | sm | registers | spilled bytes, stores and loads | local bytes | shared bytes")
        print("---|---|---|---|---|---|---|---")
        for source, (name, states, rank) in found.items():
            for architecture in ARCHITECTURES:
                (folder / "scan.ptx").write_bytes(ptx(nvrtc, source, architecture).rstrip(b"\0"))
                command = [nvcc / "bin/ptxas", f"-arch=sm_{architecture}", "-v", folder / "scan.ptx", "-o", folder / "scan.cubin"]
                report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
                number = lambda pattern: (re.search(pattern, report) or [None, "0"])[1]
                stores, loads = number(r"(\d+) bytes spill stores"), number(r"(\d+) bytes spill loads")
                local, shared = number(r"(\d+) bytes stack frame"), number(r"(\d+) bytes smem")
                registers = number(r"Used (\d+) registers")
                row = [name, states, rank, architecture, registers, f"{stores}, {loads}", local, shared]
                print(" | ".join(row))


main()
