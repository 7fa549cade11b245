// A CUDA driver without a GPU, for `cuda_registers.py` and `cuda_on_host.py`: device memory is the host's.
//
// A launch does nothing, unless `CUDA_ON_HOST` names a library of kernels compiled for the host (see `cuda_on_host.py`): then it
// runs them, block after block, the units of a block as fibers, or as threads where `CUDA_ON_HOST_THREADS` is set.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <pthread.h>
#include <string>
#include <thread>
#include <ucontext.h>
#include <vector>

typedef unsigned long long Address;
typedef void (*Kernel)(void **);
struct Index {
    unsigned x, y, z;
};

// What kernels on the host refer to.
thread_local Index threadIdx, blockIdx;
Index gridDim, blockDim;

static std::mutex launching;
static pthread_barrier_t barrier;
static bool fibers;

struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 17);
    bool done;
};
static std::vector<Fiber> units;
static ucontext_t block;
static unsigned running;
static struct {
    Kernel kernel;
    void **arguments;
} launch;

// A unit that meets a barrier; fibers run from barrier to barrier, one after the other.
void meet() {
    if (fibers)
        swapcontext(&units[running].context, &block);
    else
        pthread_barrier_wait(&barrier);
}

static void fiber() {
    launch.kernel(launch.arguments);
    units[running].done = true;
    swapcontext(&units[running].context, &block);
}

static void run_as_fibers(unsigned count) {
    if (units.size() < count) units = std::vector<Fiber>(count);
    for (unsigned i = 0; i < count; i++) {
        Fiber &unit = units[i];
        unit.done = false;
        getcontext(&unit.context);
        unit.context.uc_stack.ss_sp = unit.stack.data();
        unit.context.uc_stack.ss_size = unit.stack.size();
        unit.context.uc_link = nullptr;
        makecontext(&unit.context, fiber, 0);
    }
    for (unsigned left = count; left > 0;)
        for (running = 0; running < count; running++) {
            if (units[running].done) continue;
            threadIdx = {running, 0, 0};
            swapcontext(&block, &units[running].context);
            left -= units[running].done;
        }
}

static Index place(unsigned long long number) {
    return {unsigned(number % gridDim.x), unsigned(number / gridDim.x % gridDim.y), unsigned(number / gridDim.x / gridDim.y)};
}

static void run(Kernel kernel, Index grid, unsigned count, void **arguments) {
    std::lock_guard<std::mutex> alone(launching);
    gridDim = grid, blockDim = {count, 1, 1};
    launch = {kernel, arguments};
    const unsigned long long blocks = 1ull * grid.x * grid.y * grid.z;
    fibers = !getenv("CUDA_ON_HOST_THREADS");
    if (fibers) {
        for (unsigned long long number = 0; number < blocks; number++) blockIdx = place(number), run_as_fibers(count);
        return;
    }
    pthread_barrier_init(&barrier, nullptr, count);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; i++)
        threads.emplace_back([=] {
            threadIdx = {i, 0, 0};
            for (unsigned long long number = 0; number < blocks; number++) {
                blockIdx = place(number);
                kernel(arguments);
                pthread_barrier_wait(&barrier);
            }
        });
    for (std::thread &thread : threads) thread.join();
    pthread_barrier_destroy(&barrier);
}

extern "C" {
static size_t next_handle = 1;

static int handle(void **out) {
    *out = (void *)next_handle++;
    return 0;
}

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { return *version = 12040, 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int len, int device) { return strncpy(name, "no GPU", len), 0; }
int cuDeviceGetPCIBusId(char *id, int len, int device) { return strncpy(id, "0000:00:00.0", len), 0; }
int cuDeviceGetLuid(char *luid, unsigned *mask, int device) { return memset(luid, 0, 8), *mask = 0, 0; }
int cuDeviceGetUuid_v2(char *uuid, int device) { return memset(uuid, 1, 16), 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = 8ull << 30, 0; }

/* As an H100 answers what CubeCL asks; 0 to the rest. */
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break;  /* threads of a block, its x and y */
    case 4: *value = 64; break;                    /* its z */
    case 5: *value = 2147483647; break;            /* grid */
    case 6: case 7: *value = 65535; break;
    case 8: *value = 49152; break;                 /* shared memory of a block */
    case 10: *value = 32; break;                   /* warp */
    case 12: *value = 65536; break;                /* registers */
    case 16: *value = 132; break;                  /* multiprocessors */
    case 75: *value = 9; break;                    /* compute capability */
    case 97: *value = 232448; break;               /* shared memory of a block that asks */
    default: *value = 0;
    }
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) { return handle(context); }
int cuCtxSetCurrent(void *context) { return 0; }
int cuCtxGetStreamPriorityRange(int *least, int *greatest) { return *least = 0, *greatest = -5, 0; }
int cuStreamCreate(void **stream, unsigned flags) { return handle(stream); }
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) { return handle(stream); }
int cuStreamDestroy_v2(void *stream) { return 0; }
int cuStreamSynchronize(void *stream) { return 0; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
int cuEventCreate(void **event, unsigned flags) { return handle(event); }
int cuEventRecord(void *event, void *stream) { return 0; }
int cuEventSynchronize(void *event) { return 0; }
int cuEventElapsedTime_v2(float *ms, void *from, void *to) { return *ms = 0.01f, 0; }
int cuEventElapsedTime(float *ms, void *from, void *to) { return *ms = 0.01f, 0; }
int cuEventDestroy_v2(void *event) { return 0; }
int cuMemAlloc_v2(Address *memory, size_t bytes) {
    *memory = (Address)aligned_alloc(512, (bytes + 1023) / 512 * 512);
    return 0;
}
int cuMemFree_v2(Address memory) { return free((void *)memory), 0; }
int cuMemAllocAsync(Address *memory, size_t bytes, void *stream) { return cuMemAlloc_v2(memory, bytes); }
int cuMemFreeAsync(Address memory, void *stream) { return free((void *)memory), 0; }
int cuMemAllocHost_v2(void **memory, size_t bytes) { return *memory = malloc(bytes), 0; }
int cuMemFreeHost(void *memory) { return free(memory), 0; }
int cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, void *stream) {
    return memcpy((void *)to, from, bytes), 0;
}
int cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, void *stream) {
    return memcpy(to, (void *)from, bytes), 0;
}
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void *stream) {
    return memcpy((void *)to, (void *)from, bytes), 0;
}
int cuMemcpy2DAsync_v2(const void *copy, void *stream) { return 0; }
int cuModuleLoadData(void **module, const void *image) { return handle(module); }
int cuModuleUnload(void *module) { return 0; }
int cuFuncSetAttribute(void *function, int attribute, int value) { return 0; }
int cuGetErrorName(int error, const char **name) { return *name = "no GPU", 0; }
int cuGetErrorString(int error, const char **text) { return *text = "no GPU", 0; }

int cuModuleGetFunction(void **function, void *module, const char *name) {
    const char *path = getenv("CUDA_ON_HOST");
    if (!path) return *function = nullptr, 0;
    void *kernels = dlopen(path, RTLD_NOW);
    if (!kernels) return fprintf(stderr, "%s\n", dlerror()), 500;
    *function = dlsym(kernels, (std::string("host_") + name).c_str());
    if (!*function) return fprintf(stderr, "%s has no kernel %s\n", path, name), 500;
    return 0;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    if (function && by * bz != 1) return 1;
    if (function) run(Kernel(function), {gx, gy, gz}, bx, arguments);
    return 0;
}
}
