// Stand-in for libcuda.so.1: modules, functions and launches. An image names the text it was compiled from; its kernels
// are those that the stand-in's own build compiled from the same text.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "launch.h"
#include "state.h"

namespace stand_in {
namespace {

struct Function {
    const Kernel* kernel;
    size_t most_shared = 48 << 10;
};

struct Module {
    std::string source, storage;
    std::map<std::string, Function> functions;
};

std::vector<Kernel>& kernels() {
    static std::vector<Kernel> all;
    return all;
}

// The word after `name ` at the start of a line.
std::string field(const std::string& image, const char* name) {
    const std::string key = std::string("\n") + name + " ";
    const size_t found = image.find(key);
    if (found == std::string::npos) return "";
    const size_t start = found + key.size();
    return image.substr(start, image.find('\n', start) - start);
}

// Device code for `sm_XY` runs on devices of the same major version and at least that minor one; with a letter at the
// end, on that very device only. A virtual architecture `compute_XY` serves all later devices.
bool runs_here(const std::string& architecture) {
    const size_t digits = architecture.find('_') + 1;
    const int number = atoi(architecture.c_str() + digits), major = number / 10, minor = number % 10;
    const bool exact = architecture.find_last_of("af") == architecture.size() - 1;
    const int here = capability_major() * 10 + capability_minor();
    if (exact) return number == here;
    if (architecture.compare(0, 8, "compute_") == 0) return number <= here;
    return major == capability_major() && minor <= capability_minor();
}

Result start(const Function& function, Index3 grid, Index3 threads, size_t shared, void** arguments) {
    const Kernel& k = *function.kernel;
    const unsigned count = threads.x * threads.y * threads.z;
    const auto refuse = [&](const std::string& why) {
        return failed(INVALID_VALUE, std::string("kernel ") + k.name + ": " + why);
    };
    if (!grid.x || !grid.y || !grid.z || grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535)
        return refuse("a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
                      std::to_string(grid.z) + " blocks");
    if (!count || count > k.threads)
        return refuse(std::to_string(count) + " threads a block, and it is compiled for at most " +
                      std::to_string(k.threads));
    if (shared > function.most_shared)
        return refuse(std::to_string(shared) + " bytes of dynamic shared memory, and " +
                      std::to_string(function.most_shared) + " are allowed");
    counts.launches++;
    const Launch launch = {k.name, grid, threads, shared, k.body, arguments, k.touch};
    const char* failure = run(launch);
    if (!failure) return OK;
    return failed(strstr(failure, ": touches address") ? ILLEGAL_ADDRESS : LAUNCH_FAILED, failure);
}

}  // namespace

bool enroll(const Kernel& kernel) {
    kernels().push_back(kernel);
    return false;
}

std::string hash_of(const char* text, size_t bytes) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ static_cast<unsigned char>(text[i])) * 0x100000001b3ull;
    char digits[17];
    snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
    return digits;
}

}  // namespace stand_in

using namespace stand_in;

STAND_IN_API int cuModuleLoadData(void** module, const void* image) {
    *module = nullptr;
    if (!image || strncmp(static_cast<const char*>(image), IMAGE_HEAD, strlen(IMAGE_HEAD)) != 0)
        return failed(INVALID_IMAGE, "the image is none of the stand-in's compiler");
    const std::string text = static_cast<const char*>(image);
    const std::string architecture = field(text, "architecture");
    if (!runs_here(architecture))
        return failed(NO_BINARY, "an image for " + architecture + " on a device of compute capability " +
                                     std::to_string(capability_major()) + "." + std::to_string(capability_minor()));
    auto* m = new Module{field(text, "source"), field(text, "storage"), {}};
    for (const Kernel& k : kernels())
        if (m->source == k.source && m->storage == k.storage) m->functions[k.name].kernel = &k;
    if (m->functions.empty()) {
        const Result r = failed(INVALID_IMAGE, "the image is of a text (hash " + m->source + ", " + m->storage +
                                                   ") that the stand-in was not built with");
        delete m;
        return r;
    }
    *module = m;
    return OK;
}
STAND_IN_API int cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**) {
    return cuModuleLoadData(module, image);
}
STAND_IN_API int cuModuleUnload(void* module) { return delete static_cast<Module*>(module), OK; }
STAND_IN_API int cuModuleGetFunction(void** function, void* module, const char* name) {
    auto& functions = static_cast<Module*>(module)->functions;
    const auto found = functions.find(name);
    if (found == functions.end()) return failed(NOT_FOUND, std::string("no kernel ") + name + " in the module");
    *function = &found->second;
    return OK;
}
// 8: most dynamic shared memory; 9: preferred share of the carve-out
STAND_IN_API int cuFuncSetAttribute(void* function, int which, int value) {
    if (which == 9) return OK;
    if (which != 8 || value < 0 || value > 232448) return failed(INVALID_VALUE, "cuFuncSetAttribute: no such value");
    static_cast<Function*>(function)->most_shared = static_cast<size_t>(value);
    return OK;
}
// 0: most threads of a block; 8: most dynamic shared memory; what a device compiler would report is 0
STAND_IN_API int cuFuncGetAttribute(int* value, int which, void* function) {
    const Function& f = *static_cast<Function*>(function);
    *value = which == 0 ? static_cast<int>(f.kernel->threads) : which == 8 ? static_cast<int>(f.most_shared) : 0;
    return OK;
}
STAND_IN_API int cuFuncSetCacheConfig(void*, int) { return OK; }
STAND_IN_API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int threads, size_t shared) {
    const size_t by_threads = 2048 / static_cast<size_t>(threads > 0 ? threads : 2048),
                 by_shared = 233472 / (shared + 1024);
    *blocks = static_cast<int>(by_threads < by_shared ? by_threads : by_shared);
    return OK;
}
STAND_IN_API int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, void* f, int threads, size_t shared,
                                                                      unsigned) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, f, threads, shared);
}

STAND_IN_API int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                unsigned bz, unsigned shared, void* stream, void** arguments, void** extra) {
    if (!function || extra) return failed(INVALID_VALUE, "cuLaunchKernel: no function, or arguments as a buffer");
    const Function* f = static_cast<Function*>(function);
    const Index3 grid = {gx, gy, gz}, threads = {bx, by, bz};
    if (!stream_of(stream).recording) {
        const Result before = progress(stream_of(stream));
        if (before != NOT_READY) return before ? before : start(*f, grid, threads, shared, arguments);
    }
    // the values now are those of every replay, and of a launch that waits
    auto bytes = std::make_shared<std::vector<std::vector<uint64_t>>>();
    for (unsigned i = 0; i < f->kernel->count; i++) {
        bytes->emplace_back((f->kernel->sizes[i] + 15) / 16 * 2);
        memcpy(bytes->back().data(), arguments[i], f->kernel->sizes[i]);
    }
    return submit(stream, [f = *f, grid, threads, shared, bytes] {
        std::vector<void*> pointers;
        for (auto& value : *bytes) pointers.push_back(value.data());
        return start(f, grid, threads, shared, pointers.data());
    });
}
