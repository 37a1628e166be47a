// What the stand-in's driver, product and compiler interfaces share: streams, recorded work, failures, counts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#define STAND_IN_API extern "C" __attribute__((visibility("default")))

namespace stand_in {

// CUresult; the numbers are NVIDIA's.
enum Result : int {
    OK = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY = 209,
    INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_UNMATCHED = 903,
    WRONG_THREAD = 908,
};

typedef std::vector<std::function<Result()>> Work;

struct Graph {
    std::shared_ptr<Work> work;
};

struct Stream {
    // while the stream is recorded
    std::shared_ptr<Work> recording;
    bool invalidated = false;
    int mode = 0;
    // a collective that the other ranks have not come to yet, and what is behind it
    std::deque<std::function<Result()>> waiting;
};

// The stream of a handle; handles 0 to 2 are the default stream.
Stream& stream_of(void* handle);

// Does the work now, or records it if the stream is recorded. Work that returns NOT_READY is asked again, and what comes
// after it on the stream waits.
Result submit(void* stream, std::function<Result()> work);

// Does what can be done of what waits on a stream; NOT_READY while some is left.
Result progress(Stream& stream);

// The device of this system thread's context.
int current_device();

// For calls that may not be made while this system thread records a stream: spoils the recording. OK if none is.
Result refuse_while_recording(const char* call);

// The stream that this system thread records; null if none.
extern thread_local Stream* recorded;

// Keeps a sentence for `stand_in_last_failure` and `cuGetErrorString`, and gives the result back.
Result failed(Result result, const std::string& sentence);

// Counts of this system thread.
struct Counts {
    uint64_t launches, products, allocations, synchronizations, replays, copies;
};
extern thread_local Counts counts;

// Compute capability, by default 9.0 or EBT_STAND_IN_CAPABILITY.
int capability_major();
int capability_minor();

// FNV-1a of a text, by which modules and the kernels built into the stand-in find each other.
std::string hash_of(const char* text, size_t bytes);

constexpr const char* IMAGE_HEAD = "stand-in kernel image, no device code\n";

}  // namespace stand_in
