// Stand-in for libcuda.so.1: memory and copies.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "memory.h"
#include "state.h"

using namespace stand_in;

static int pool;

static Result take(uint64_t* address, size_t bytes, const char* call) {
    if (const Result r = refuse_while_recording(call)) return r;
    if (bytes == 0) return failed(INVALID_VALUE, std::string(call) + ": no bytes are asked for");
    counts.allocations++;
    *address = allocate(bytes);
    if (*address) return OK;
    return failed(OUT_OF_MEMORY, std::string(call) + ": " + std::to_string(bytes) + " bytes more are not to be had");
}

static Result give(uint64_t address, const char* call) {
    std::string note;
    if (!address || release(address, note)) return OK;
    fprintf(stderr, "cpusim (no GPU): %s: %s\n", call, note.c_str());
    return failed(ILLEGAL_ADDRESS, std::string(call) + ": " + note);
}

static Result device_range(const char* call, uint64_t address, size_t bytes) {
    if (is_allocated(address, bytes)) return OK;
    return failed(INVALID_VALUE, std::string(call) + ": the " + std::to_string(bytes) + " bytes at device address " +
                                     std::to_string(address) + " are in no buffer");
}

static void* at(uint64_t address) { return reinterpret_cast<void*>(address); }

// The checks are made when the work is done: a graph may be replayed after its buffers are gone.
static Result set(uint64_t to, unsigned char value, size_t bytes) {
    if (const Result r = device_range("memset", to, bytes)) return r;
    memset(at(to), value, bytes);
    return OK;
}
static Result to_device(uint64_t to, const void* from, size_t bytes) {
    if (const Result r = device_range("copy to the device", to, bytes)) return r;
    counts.copies++;
    memcpy(at(to), from, bytes);
    return OK;
}
static Result to_host(void* to, uint64_t from, size_t bytes) {
    if (const Result r = device_range("copy to the host", from, bytes)) return r;
    counts.copies++;
    memcpy(to, at(from), bytes);
    return OK;
}
static Result on_device(uint64_t to, uint64_t from, size_t bytes) {
    if (const Result r = device_range("copy on the device", to, bytes)) return r;
    if (const Result r = device_range("copy on the device", from, bytes)) return r;
    counts.copies++;
    memmove(at(to), at(from), bytes);
    return OK;
}
static Result at_once(const char* call, std::function<Result()> work) {
    counts.synchronizations++;
    if (const Result r = refuse_while_recording(call)) return r;
    return work();
}

STAND_IN_API int cuMemAlloc_v2(uint64_t* address, size_t bytes) { return take(address, bytes, "cuMemAlloc"); }
STAND_IN_API int cuMemFree_v2(uint64_t address) {
    if (const Result r = refuse_while_recording("cuMemFree")) return r;
    counts.synchronizations++;  // waits for the device
    return give(address, "cuMemFree");
}
STAND_IN_API int cuMemAllocAsync(uint64_t* address, size_t bytes, void*) {
    return take(address, bytes, "cuMemAllocAsync");
}
STAND_IN_API int cuMemAllocFromPoolAsync(uint64_t* address, size_t bytes, void*, void*) {
    return take(address, bytes, "cuMemAllocFromPoolAsync");
}
STAND_IN_API int cuMemFreeAsync(uint64_t address, void* stream) {
    if (const Result r = refuse_while_recording("cuMemFreeAsync")) return r;
    return submit(stream, [=] { return give(address, "cuMemFreeAsync"); });
}
STAND_IN_API int cuMemGetInfo_v2(size_t* free, size_t* total) {
    *total = memory_total();
    *free = *total - memory_used();
    return OK;
}
STAND_IN_API int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    if (const Result r = refuse_while_recording("cuMemHostAlloc")) return r;
    *memory = malloc(bytes);
    return *memory ? OK : failed(OUT_OF_MEMORY, "cuMemHostAlloc: no host memory");
}
STAND_IN_API int cuMemAllocHost_v2(void** memory, size_t bytes) { return cuMemHostAlloc(memory, bytes, 0); }
STAND_IN_API int cuMemFreeHost(void* memory) {
    if (const Result r = refuse_while_recording("cuMemFreeHost")) return r;
    return ::free(memory), OK;
}

STAND_IN_API int cuDeviceGetDefaultMemPool(void** p, int) { return *p = &pool, OK; }
STAND_IN_API int cuDeviceGetMemPool(void** p, int) { return *p = &pool, OK; }
STAND_IN_API int cuDeviceSetMemPool(int, void*) { return OK; }
STAND_IN_API int cuMemPoolSetAttribute(void* p, int, void*) { return p == &pool ? OK : INVALID_HANDLE; }
// 5 to 8 are the sizes reserved and used; the release threshold is not kept.
STAND_IN_API int cuMemPoolGetAttribute(void*, int which, void* value) {
    const uint64_t bytes = which >= 5 && which <= 8 ? memory_used() : 0;
    memcpy(value, &bytes, which >= 4 ? 8 : 4);
    return OK;
}
STAND_IN_API int cuMemPoolTrimTo(void*, size_t) { return OK; }

STAND_IN_API int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void* stream) {
    return submit(stream, [=] { return set(to, value, bytes); });
}
STAND_IN_API int cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void* stream) {
    return submit(stream, [=] {
        if (const Result r = device_range("memset", to, 4 * count)) return r;
        for (size_t i = 0; i < count; i++) memcpy(at(to + 4 * i), &value, 4);
        return OK;
    });
}
STAND_IN_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
    return submit(stream, [=] { return to_device(to, from, bytes); });
}
STAND_IN_API int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
    Result r = submit(stream, [=] { return to_host(to, from, bytes); });
    // the host's memory counts as pageable: the call ends when the copy does
    while (r == OK && !stream_of(stream).recording && (r = progress(stream_of(stream))) == NOT_READY) r = OK;
    return r;
}
STAND_IN_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
    return submit(stream, [=] { return on_device(to, from, bytes); });
}
STAND_IN_API int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t bytes) {
    return at_once("cuMemsetD8", [=] { return set(to, value, bytes); });
}
STAND_IN_API int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
    return at_once("cuMemcpyHtoD", [=] { return to_device(to, from, bytes); });
}
STAND_IN_API int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
    return at_once("cuMemcpyDtoH", [=] { return to_host(to, from, bytes); });
}
STAND_IN_API int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
    return at_once("cuMemcpyDtoD", [=] { return on_device(to, from, bytes); });
}
