/* A CUDA driver that computes nothing, for `cuda_registers.py`: device memory is the host's, launches do nothing. */
#include <stdlib.h>
#include <string.h>

typedef unsigned long long Address;
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
int cuModuleGetFunction(void **function, void *module, const char *name) { return handle(function); }
int cuFuncSetAttribute(void *function, int attribute, int value) { return 0; }
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    return 0;
}
int cuGetErrorName(int error, const char **name) { return *name = "no GPU", 0; }
int cuGetErrorString(int error, const char **text) { return *text = "no GPU", 0; }
