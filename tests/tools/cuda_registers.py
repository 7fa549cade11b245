"""CUDA kernels of the scan, looked at without a GPU: do they compile, how many registers do they take, do they spill, how many
instructions have their loops?

    python -m pip install nvidia-cuda-nvrtc-cu12==12.4.127 nvidia-cuda-runtime-cu12==12.4.127 nvidia-cuda-nvcc-cu12 \
        nvidia-cuda-nvdisasm
    python tests/tools/cuda_registers.py BINARY [TEST ...]

BINARY is a test program built with `cuda-cpp`, for instance that of the kernels (`cargo test -p burn-rsmamba-kernels --features
cuda-tests --test gpu --no-run`), whose test `a_stage_of_a_model` has the sizes of the tiny model's first stage. It runs on a driver that computes nothing (`no_gpu_cuda.cpp`, built with g++), so its tests may fail; every kernel that they launch is
compiled by the real NVRTC all the same. The scan's kernels are then compiled for sm_80 and sm_90 and reported by ptxas. A loop is
printed as its instructions, those of loops inside it in brackets: `132` is one, `250(132)` one of 250 around one of 132.
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


def host(folder):
    """An environment in which CubeCL finds a driver without a GPU, NVRTC and CUDA's headers, all in `folder`."""
    libraries = package("cuda_nvrtc") / "lib"
    driver = ["g++", "-shared", "-fPIC", "-O1", "-w", "-o", folder / "libcuda.so", TOOLS / "no_gpu_cuda.cpp", "-ldl", "-lpthread"]
    subprocess.run(driver, check=True)
    for library in libraries.iterdir():
        (folder / library.name).symlink_to(library)
    (folder / "libnvrtc.so").symlink_to(libraries / "libnvrtc.so.12")
    for part in (package("cuda_runtime"), package("cuda_nvcc")):
        shutil.copytree(part / "include", folder / "cuda/include", dirs_exist_ok=True)
    return os.environ | {"LD_LIBRARY_PATH": str(folder), "CUDA_PATH": str(folder / "cuda"), "RUST_BACKTRACE": "0"}


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


def loops(nvdisasm, cubin):
    """The loops of a kernel, each by its number of instructions, from the jumps back in its machine code."""
    text = subprocess.run([nvdisasm, "-c", cubin], check=True, capture_output=True, text=True).stdout
    labels, back, count = {}, [], 0
    for line in text.splitlines():
        if label := re.match(r"(\.L_\w+):", line):
            labels[label[1]] = count
        elif re.match(r"\s+/\*[0-9a-f]{4,}\*/", line):
            count += 1
            jump = re.search(r"\bBRA[^`]*`\((\.L_\w+)\)", line)
            # the last instruction of all jumps to itself
            if jump and labels.get(jump[1], count) < count - 1:
                back.append((labels[jump[1]], count))
    # several jumps back to one place are one loop
    spans = {start: max(end for other, end in back if other == start) for start, _ in back}

    def within(start, end):
        inside = sorted((s, e) for s, e in spans.items() if start <= s and e <= end and (s, e) != (start, end))
        outermost = [(s, e) for s, e in inside if not any(a <= s and e <= b for a, b in inside if (a, b) != (s, e))]
        return [f"{e - s}" + (f"({' '.join(within(s, e))})" if within(s, e) else "") for s, e in outermost]

    return " ".join(within(0, count + 1))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary, tests = Path(sys.argv[1]).resolve(), sys.argv[2:]
    nvcc, nvdisasm = package("cuda_nvcc"), package("cu13") / "bin/nvdisasm"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        environment = host(folder)
        os.environ["CUDA_PATH"] = environment["CUDA_PATH"]
        log = folder / "compilations"
        environment |= {"CUBECL_DEBUG_LOG": str(log)}
        subprocess.run([binary, *tests], env=environment, cwd=TOOLS.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = sources(log.read_text()) if log.exists() else {}
        if not found:
            sys.exit(f"{binary} launched no kernel of the scan: was it built with `cuda-cpp`?")
        nvrtc = ctypes.CDLL(str(package("cuda_nvrtc") / "lib/libnvrtc.so.12"))
        print("kernel | N | R | sm | registers | spilled bytes, stores and loads | local bytes | shared bytes | instructions of loops")
        print("---|---|---|---|---|---|---|---|---")
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
                row.append(loops(nvdisasm, folder / "scan.cubin"))
                print(" | ".join(row))


if __name__ == "__main__":
    main()
