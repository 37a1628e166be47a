// A stand-in for libnvrtc.so.13. It compiles nothing: the stand-in's kernels were compiled for the CPU when it was
// built. The image it gives names the text, the storage type and the architecture, which modules.cpp checks. Mistakes
// that a backend's handling is tested with are found: no architecture, a header that is missing, `#error`.
#include <cstring>
#include <map>

#include "state.h"

using namespace stand_in;

enum Nvrtc : int {
    SUCCESS = 0,
    INVALID_INPUT = 3,
    INVALID_PROGRAM = 4,
    INVALID_OPTION = 5,
    COMPILATION = 6
};

struct Program {
    std::string text, name, log, image;
    std::map<std::string, std::string> headers;
    bool device_code = false;
};

static Program* of(void* program) { return static_cast<Program*>(program); }

STAND_IN_API int nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 0, SUCCESS; }
STAND_IN_API const char* nvrtcGetErrorString(int result) {
    switch (result) {
        case SUCCESS: return "NVRTC_SUCCESS";
        case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
        case INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
        case INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
        case COMPILATION: return "NVRTC_ERROR_COMPILATION";
        default: return "NVRTC_ERROR unknown";
    }
}
static const int ARCHITECTURES[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};
STAND_IN_API int nvrtcGetNumSupportedArchs(int* count) {
    return *count = sizeof ARCHITECTURES / sizeof ARCHITECTURES[0], SUCCESS;
}
STAND_IN_API int nvrtcGetSupportedArchs(int* all) { return memcpy(all, ARCHITECTURES, sizeof ARCHITECTURES), SUCCESS; }

STAND_IN_API int nvrtcCreateProgram(void** program, const char* text, const char* name, int count,
                                    const char* const* texts, const char* const* names) {
    if (!text || (count > 0 && (!texts || !names))) return INVALID_INPUT;
    Program* p = new Program;
    p->text = text;
    p->name = name ? name : "default_program";
    for (int i = 0; i < count; i++) p->headers[names[i]] = texts[i];
    return *program = p, SUCCESS;
}
STAND_IN_API int nvrtcDestroyProgram(void** program) {
    if (!program || !*program) return INVALID_PROGRAM;
    delete of(*program);
    return *program = nullptr, SUCCESS;
}

// Looks for `#error` and for headers that were not given, in the text and the headers it includes. An `#error` under an
// `#if` is passed over: conditions are not evaluated.
static bool check(Program& p, const std::string& text, const std::string& file, std::map<std::string, bool>& seen) {
    int line_number = 0, depth = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t end = text.find('\n', at) == std::string::npos ? text.size() : text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        line_number++;
        const size_t mark = line.find_first_not_of(" \t");
        if (mark == std::string::npos || line[mark] != '#') continue;
        const std::string place = file + "(" + std::to_string(line_number) + "): ";
        const std::string directive = line.substr(mark + 1);
        if (directive.compare(0, 2, "if") == 0) depth++;
        if (directive.compare(0, 5, "endif") == 0) depth--;
        if (directive.compare(0, 5, "error") == 0 && depth == 0) {
            p.log += place + "catastrophic error: #error directive:" + directive.substr(5) + "\n";
            return false;
        }
        if (directive.compare(0, 7, "include") != 0) continue;
        const size_t open = directive.find_first_of("<\""), close = directive.find_last_of(">\"");
        if (open == std::string::npos || close <= open) continue;
        const std::string header = directive.substr(open + 1, close - open - 1);
        const auto found = p.headers.find(header);
        if (found == p.headers.end()) {
            p.log += place + "catastrophic error: cannot open source file \"" + header + "\"\n";
            return false;
        }
        if (!seen[header]) {
            seen[header] = true;
            if (!check(p, found->second, header, seen)) return false;
        }
    }
    return true;
}

STAND_IN_API int nvrtcCompileProgram(void* program, int count, const char* const* options) {
    if (!program) return INVALID_PROGRAM;
    Program& p = *of(program);
    p.log.clear();
    p.image.clear();
    std::string architecture, storage = "F32";
    for (int i = 0; i < count; i++) {
        std::string option = options[i];
        if (option.empty() || option[0] != '-') {
            p.log = "nvrtc: error: " + option + " is not an option\n";
            return INVALID_OPTION;
        }
        const bool separate = option == "-arch" || option == "--gpu-architecture";
        if (separate && i + 1 < count) option += std::string("=") + options[++i];
        for (const char* key : {"-arch=", "--gpu-architecture="})
            if (option.compare(0, strlen(key), key) == 0) architecture = option.substr(strlen(key));
        const size_t define = option.find("STORAGE_");
        if (define != std::string::npos) {
            storage = option.substr(define + 8);
            storage = storage.substr(0, storage.find('='));
        }
    }
    if (architecture.empty()) {
        p.log = "no architecture is named, so it is not known which device this is for\n";
        return INVALID_OPTION;
    }
    bool known = false;
    for (int a : ARCHITECTURES)
        for (const char* kind : {"sm_", "compute_"})
            for (const char* suffix : {"", "a", "f"}) known |= architecture == kind + std::to_string(a) + suffix;
    if (!known) {
        p.log = "nvrtc: error: invalid value for --gpu-architecture (-arch): " + architecture + "\n";
        return INVALID_OPTION;
    }
    std::map<std::string, bool> seen;
    if (!check(p, p.text, p.name, seen)) return COMPILATION;
    p.device_code = architecture.compare(0, 3, "sm_") == 0;
    p.image = std::string(IMAGE_HEAD) + "source " + hash_of(p.text.data(), p.text.size()) + "\nstorage " + storage +
              "\narchitecture " + architecture + "\nfile " + p.name + "\n";
    return SUCCESS;
}

STAND_IN_API int nvrtcGetProgramLogSize(void* program, size_t* bytes) {
    return *bytes = of(program)->log.size() + 1, SUCCESS;
}
STAND_IN_API int nvrtcGetProgramLog(void* program, char* log) {
    return memcpy(log, of(program)->log.c_str(), of(program)->log.size() + 1), SUCCESS;
}
// Device code exists for real architectures only, as with NVRTC. Both forms end with a zero byte.
STAND_IN_API int nvrtcGetCUBINSize(void* program, size_t* bytes) {
    return *bytes = of(program)->device_code ? of(program)->image.size() + 1 : 0, SUCCESS;
}
STAND_IN_API int nvrtcGetCUBIN(void* program, char* image) {
    if (!of(program)->device_code) return INVALID_PROGRAM;
    return memcpy(image, of(program)->image.c_str(), of(program)->image.size() + 1), SUCCESS;
}
STAND_IN_API int nvrtcGetPTXSize(void* program, size_t* bytes) {
    return *bytes = of(program)->image.size() + 1, SUCCESS;
}
STAND_IN_API int nvrtcGetPTX(void* program, char* image) {
    return memcpy(image, of(program)->image.c_str(), of(program)->image.size() + 1), SUCCESS;
}
