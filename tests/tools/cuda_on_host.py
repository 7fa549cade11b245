"""Tests of the CUDA kernels without a GPU: their CUDA C++ runs on the processor.

    python -m pip install nvidia-cuda-nvrtc-cu12==12.4.127 nvidia-cuda-runtime-cu12==12.4.127 nvidia-cuda-nvcc-cu12
    python tests/tools/cuda_on_host.py BINARY [TEST ...]
    python tests/tools/cuda_on_host.py --races BINARY [TEST ...]

BINARY is the kernels' tests for CUDA (`cargo test -p burn-rsmamba-kernels --features cuda-tests --test gpu --no-run`). It first runs on a
driver that computes nothing, which shows the sources of the kernels; they are compiled by g++, and the program runs again, on a driver
that runs them (`no_gpu_cuda.cpp`). With `--races` the units of a block are threads and ThreadSanitizer watches them: a barrier that is
missing between units of a block is reported, and any report is a failure. Kernels in f32 alone.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cuda_registers import TOOLS, host

# CUDA's words as plain C++; the definitions that kernels bring themselves keep standard headers out.
HEAD = """
typedef decltype(sizeof(0)) size_t;
struct Index { unsigned x, y, z; };
extern thread_local Index threadIdx, blockIdx;
extern Index gridDim, blockDim;
alignas(128) static char shared_memory[1 << 18];
void meet();
#define __global__ static
#define __device__
#define __shared__
#define __grid_constant__
#define __launch_bounds__(units)
#define __align__(bytes)
#define __syncthreads meet
static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float exp(float x) { return __builtin_expf(x); }
static inline float log(float x) { return __builtin_logf(x); }
static inline float sqrt(float x) { return __builtin_sqrtf(x); }
static inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
static inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
static inline float erf(float x) { return __builtin_erff(x); }
"""


def sources(log):
    """Source by name of every kernel in a compilation log of CubeCL."""
    found = {}
    for source in re.findall(r"```cpp\n(.*?)```", log, re.S):
        name = re.search(r"__global__ void __launch_bounds__\(\d+\) +(\w+)\(", source)[1]
        if found.setdefault(name, source) != source:
            sys.exit(f"two kernels are called {name}")
    return found


def translated(name, source):
    """A kernel as C++ of the host, with a function `host_NAME` that takes its arguments as a launch does."""
    signature = re.search(rf"{name}\((.*?)\) {{", source, re.S)[1]
    types = [re.sub(r"\w+$", "", parameter).replace("__restrict__", "").strip() for parameter in signature.split(", ")]
    source = source.replace('extern "C" __global__', "__global__")
    source = re.sub(r'asm \("ex2.*?: "=f"\((\w+)\) : "f"\((\w+)\) \);', r"\1 = __builtin_exp2f(\2);", source)
    source = re.sub(r"extern __shared__ __align__\(\d+\) char (\w+)\[\];", r"char *\1 = shared_memory;", source)
    values = ", ".join(f"*({of.replace('__grid_constant__', '')} *)arguments[{i}]" for i, of in enumerate(types))
    return f'{HEAD}{source}\nextern "C" void host_{name}(void **arguments) {{ {name}({values}); }}\n'


def main():
    arguments = sys.argv[1:]
    races = "--races" in arguments
    if races:
        arguments.remove("--races")
    if not arguments:
        sys.exit(__doc__)
    binary, tests = Path(arguments[0]).resolve(), arguments[1:]
    flags = ["-g", "-w", "-fPIC", *(["-O1", "-fsanitize=thread"] if races else ["-O2"])]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        environment = host(folder) | {"CUBECL_DEBUG_LOG": str(folder / "compilations")}
        library, known, result = folder / "kernels.so", {}, None
        # A test that fails for want of results may not launch all its kernels: until no new ones come.
        while True:
            (folder / "compilations").write_text("")
            result = subprocess.run([binary, *tests], env=environment, capture_output=True, text=True, errors="replace")
            new = {name: source for name, source in sources((folder / "compilations").read_text()).items() if name not in known}
            if not new:
                break
            known |= new
            for name, source in new.items():
                (folder / f"{name}.cpp").write_text(translated(name, source))

            def compile(name):
                subprocess.run(["g++", *flags, "-c", folder / f"{name}.cpp", "-o", folder / f"{name}.o"], check=True)

            list(ThreadPoolExecutor(os.cpu_count()).map(compile, new))
            objects = [folder / f"{name}.o" for name in known]
            subprocess.run(["g++", *flags, "-shared", *objects, folder / "libcuda.so", "-o", library], check=True)
            environment["CUDA_ON_HOST"] = str(library)
            if races:
                # the driver is part of what ThreadSanitizer watches
                driver = ["g++", *flags, "-shared", "-o", folder / "libcuda.so", TOOLS / "no_gpu_cuda.cpp", "-ldl", "-lpthread"]
                subprocess.run(driver, check=True)
                sanitizer = subprocess.run(["g++", "-print-file-name=libtsan.so"], capture_output=True, text=True).stdout.strip()
                environment |= {"CUDA_ON_HOST_THREADS": "1", "LD_PRELOAD": sanitizer, "TSAN_OPTIONS": "exitcode=0"}
        if not known:
            sys.exit(f"{binary} launched no kernel: was it built with `--features cuda-tests`?")
        errors, status = result.stderr, result.returncode
        if races:
            # Of the program itself, which is not instrumented, ThreadSanitizer knows too little: only reports of two places in kernels
            # count.
            rest = re.split(r"={18}\n", errors)
            found = [report for report in rest if len(re.findall(rf"#0 .*{library.name}", report)) > 1]
            errors = "".join(found + [part for part in rest if "ThreadSanitizer" not in part])
            passed = "test result: ok" in result.stdout
            status = 1 if found or not passed else 0
            print(f"{len(found)} races between units of a block")
        print(result.stdout, errors, sep="\n")
        print(f"{len(known)} kernels, exit status {status}")
        sys.exit(status)


main()
