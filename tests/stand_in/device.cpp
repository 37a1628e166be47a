// A stand-in for libcuda.so.1 where there is no GPU, for tests: "cpusim (no GPU)".
//
// Kernels are compiled for the CPU and run by fibers (threads.h), device memory is guarded host memory (memory.h),
// streams do their work at once (behind a collective that waits for other ranks, when they are asked), graphs are lists
// of closures. There is no memory model, nothing overlaps, copies between host and device complete at once, and the
// numbers come from the CPU's mathematical library. A pass here is not a pass on a GPU.
//
// Files: threads, meetings, faults, engine, fiber (threads and blocks); device.cuh, arithmetic, matrix (what kernels
// call); memory, buffers, streams, modules, launch, state (the driver); cublaslt, product; nvrtc; nccl, call, wire
// (ranks); try.h (kernels from a C++ program); probe.cu (kernels of its own tests). tests/build.rs makes shared objects
// of them.
//
// Environment: EBT_STAND_IN_SCHEDULE (order of threads), EBT_STAND_IN_CAPABILITY ("9.0"), EBT_STAND_IN_MEMORY (bytes in
// all), EBT_STAND_IN_DEVICES (how many, "1"), EBT_STAND_IN_DRIVER (version, "13000"), EBT_STAND_IN_NCCL (version,
// "22703"), EBT_STAND_IN_VERBOSE (failures are printed too); an empty CUDA_VISIBLE_DEVICES hides the device, as it hides
// GPUs.
//
// This file: devices, contexts, attributes, errors.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "memory.h"
#include "state.h"
#include "threads.h"

namespace stand_in {

thread_local Counts counts = {};
static thread_local std::string last_failure;
static thread_local void* current_context = nullptr;
static constexpr int MOST_DEVICES = 16;
static int primary_contexts[MOST_DEVICES];
// CUDA_ERROR_NO_DEVICE
static constexpr int NO_DEVICE = 100;

Result failed(Result result, const std::string& sentence) {
    last_failure = sentence;
    static const bool verbose = getenv("EBT_STAND_IN_VERBOSE") != nullptr;
    if (verbose) fprintf(stderr, "cpusim (no GPU): %s\n", sentence.c_str());
    return result;
}

static int devices() {
    const char* text = getenv("EBT_STAND_IN_DEVICES");
    const int count = text ? atoi(text) : 1;
    return count < 1 ? 1 : count > MOST_DEVICES ? MOST_DEVICES : count;
}
static Result known(int device) { return device >= 0 && device < devices() ? OK : INVALID_DEVICE; }
int current_device() { return current_context ? static_cast<int>(static_cast<int*>(current_context) - primary_contexts) : 0; }

static const char* capability() {
    const char* text = getenv("EBT_STAND_IN_CAPABILITY");
    return text && *text ? text : "9.0";
}
int capability_major() { return atoi(capability()); }
int capability_minor() {
    const char* point = strchr(capability(), '.');
    return point ? atoi(point + 1) : 0;
}

// CUdevice_attribute; attributes that are not here are 0.
static int attribute(int which) {
    switch (which) {
        case 1: return 1024;  // threads of a block
        case 2:
        case 3: return 1024;        // block x, y
        case 4: return 64;          // block z
        case 5: return 2147483647;  // grid x
        case 6:
        case 7: return 65535;      // grid y, z
        case 8: return 49152;      // shared memory of a block
        case 10: return 32;        // warp
        case 12: return 65536;     // registers of a block
        case 13: return 1980000;   // clock, kHz
        case 16: return 132;       // multiprocessors
        case 36: return 2619000;   // memory clock, kHz
        case 37: return 5120;      // memory bus, bits
        case 38: return 50 << 20;  // second-level cache
        case 39: return 2048;      // threads of a multiprocessor
        case 41: return 1;         // unified addresses
        case 75: return capability_major();
        case 76: return capability_minor();
        case 81: return 233472;  // shared memory of a multiprocessor
        case 82: return 65536;   // registers of a multiprocessor
        case 97: return 232448;  // shared memory of a block on request
        case 106: return 32;     // blocks of a multiprocessor
        case 115: return 1;      // memory pools
        default: return 0;
    }
}

}  // namespace stand_in

using namespace stand_in;

STAND_IN_API int cuInit(unsigned) {
    const char* visible = getenv("CUDA_VISIBLE_DEVICES");
    return visible && !*visible ? NO_DEVICE : OK;
}
STAND_IN_API int cuDriverGetVersion(int* version) {
    const char* text = getenv("EBT_STAND_IN_DRIVER");
    return *version = text ? atoi(text) : 13000, OK;
}
STAND_IN_API int cuDeviceGetCount(int* count) { return *count = devices(), OK; }
STAND_IN_API int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, known(ordinal); }
STAND_IN_API int cuDeviceGetName(char* name, int length, int device) {
    if (const Result r = known(device)) return r;
    snprintf(name, static_cast<size_t>(length), "cpusim (no GPU)");
    return OK;
}
STAND_IN_API int cuDeviceGetUuid_v2(char* uuid, int device) {
    memset(uuid, 0, 16);
    return uuid[15] = static_cast<char>(device), known(device);
}
STAND_IN_API int cuDeviceGetUuid(char* uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }
STAND_IN_API int cuDeviceGetAttribute(int* value, int which, int device) {
    return *value = attribute(which), known(device);
}
STAND_IN_API int cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = memory_total(), OK; }
STAND_IN_API int cuDevicePrimaryCtxRetain(void** context, int device) {
    if (const Result r = known(device)) return r;
    return *context = &primary_contexts[device], OK;
}
STAND_IN_API int cuDevicePrimaryCtxRelease_v2(int) { return OK; }
STAND_IN_API int cuCtxCreate_v4(void** context, void*, unsigned, int device) {
    if (const Result r = known(device)) return r;
    return *context = current_context = &primary_contexts[device], OK;
}
STAND_IN_API int cuCtxDestroy_v2(void*) { return OK; }
STAND_IN_API int cuCtxGetCurrent(void** context) { return *context = current_context, OK; }
STAND_IN_API int cuCtxSetCurrent(void* context) { return current_context = context, OK; }
STAND_IN_API int cuCtxPushCurrent_v2(void* context) { return current_context = context, OK; }
STAND_IN_API int cuCtxPopCurrent_v2(void** context) { return *context = current_context, OK; }
STAND_IN_API int cuCtxGetDevice(int* device) { return *device = current_device(), OK; }
STAND_IN_API int cuCtxSetFlags(unsigned) { return OK; }
STAND_IN_API int cuCtxGetLimit(size_t* value, int) { return *value = 0, OK; }
STAND_IN_API int cuCtxSetLimit(int, size_t) { return OK; }
STAND_IN_API int cuCtxGetStreamPriorityRange(int* least, int* greatest) { return *least = *greatest = 0, OK; }
STAND_IN_API int cuCtxSynchronize() {
    counts.synchronizations++;
    return refuse_while_recording("cuCtxSynchronize");
}
STAND_IN_API int cuGetErrorName(int error, const char** name) {
    switch (error) {
        case OK: *name = "CUDA_SUCCESS"; break;
        case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
        case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
        case NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
        case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
        case INVALID_IMAGE: *name = "CUDA_ERROR_INVALID_IMAGE"; break;
        case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
        case NO_BINARY: *name = "CUDA_ERROR_NO_BINARY_FOR_GPU"; break;
        case INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
        case ILLEGAL_STATE: *name = "CUDA_ERROR_ILLEGAL_STATE"; break;
        case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
        case NOT_READY: *name = "CUDA_ERROR_NOT_READY"; break;
        case ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
        case LAUNCH_FAILED: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
        case NOT_SUPPORTED: *name = "CUDA_ERROR_NOT_SUPPORTED"; break;
        case CAPTURE_UNSUPPORTED: *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"; break;
        case CAPTURE_INVALIDATED: *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"; break;
        case CAPTURE_UNMATCHED: *name = "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED"; break;
        case WRONG_THREAD: *name = "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD"; break;
        default: *name = nullptr; return INVALID_VALUE;
    }
    return OK;
}
// The text of an error is this thread's last sentence, so that it reaches the backend's own messages.
STAND_IN_API int cuGetErrorString(int error, const char** text) {
    static thread_local std::string kept;
    kept = error == OK ? "no error" : last_failure.empty() ? "error of the CPU stand-in" : last_failure;
    *text = kept.c_str();
    return OK;
}
// NVIDIA's libnvrtc looks for a loaded driver and calls these.
STAND_IN_API int cuGetExportTable(const void**, const void*) { return NOT_SUPPORTED; }
STAND_IN_API int cuGetProcAddress_v2(const char*, void** function, int, uint64_t, int* status) {
    *function = nullptr;
    if (status) *status = 1;
    return NOT_FOUND;
}

// For tests; everything is per system thread.
STAND_IN_API void stand_in_schedule(unsigned schedule) { set_schedule(schedule); }
STAND_IN_API void stand_in_limit_memory(size_t bytes) { set_thread_memory(bytes); }
STAND_IN_API void stand_in_counts(Counts* all) { *all = counts; }
STAND_IN_API const char* stand_in_last_failure() { return last_failure.empty() ? nullptr : last_failure.c_str(); }
STAND_IN_API void stand_in_forget_failure() { last_failure.clear(); }
STAND_IN_API size_t stand_in_memory_in_use() { return memory_used_by_thread(); }
