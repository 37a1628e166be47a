// See memory.h.
#include "memory.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace stand_in {
namespace {

struct Buffer {
    char* map;         // first page
    size_t map_bytes;  // with the inaccessible page
    size_t bytes;
    size_t* owner;  // count of the system thread that allocated
};

constexpr size_t KEPT = 256;       // freed buffers that stay inaccessible
constexpr size_t CHUNK = 4 << 20;  // of the file that large buffers are mapped from

std::mutex lock;
std::map<uint64_t, Buffer> live, freed;
std::deque<uint64_t> freed_order;
size_t used = 0;

// counts outlive their threads, because buffers do
thread_local size_t* thread_used = nullptr;
thread_local size_t thread_limit = SIZE_MAX;

size_t page() {
    static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

// A file of 0xFF bytes: mapping it privately fills a large buffer without touching it.
int filled_file() {
    static const int file = [] {
        const int f = memfd_create("stand-in", 0);
        if (f < 0 || ftruncate(f, CHUNK) != 0) return -1;
        void* p = mmap(nullptr, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
        if (p == MAP_FAILED) return -1;
        memset(p, 0xFF, CHUNK);
        munmap(p, CHUNK);
        return f;
    }();
    return file;
}

bool fill(char* at, size_t bytes) {
    if (bytes < CHUNK / 8 || filled_file() < 0) {
        memset(at, 0xFF, bytes);
        return true;
    }
    for (size_t done = 0; done < bytes; done += CHUNK) {
        const size_t part = bytes - done < CHUNK ? bytes - done : CHUNK;
        if (mmap(at + done, part, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, filled_file(), 0) ==
            MAP_FAILED)
            return false;
    }
    return true;
}

bool is_untouched(const char* from, const char* to) {
    for (; from < to; from++)
        if (static_cast<unsigned char>(*from) != 0xFF) return false;
    return true;
}

const std::pair<const uint64_t, Buffer>* containing(const std::map<uint64_t, Buffer>& buffers, uint64_t address) {
    for (const auto& entry : buffers) {
        const uint64_t start = reinterpret_cast<uint64_t>(entry.second.map);
        if (address >= start && address < start + entry.second.map_bytes) return &entry;
    }
    return nullptr;
}

}  // namespace

void* map_guarded(size_t bytes) {
    const size_t pages = (bytes + page() - 1) / page() * page();
    void* p = mmap(nullptr, pages + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    mprotect(static_cast<char*>(p) + pages, page(), PROT_NONE);
    return static_cast<char*>(p) + (pages - bytes);
}

size_t memory_total() {
    static const size_t total = [] {
        const char* text = getenv("EBT_STAND_IN_MEMORY");
        return text ? static_cast<size_t>(strtoull(text, nullptr, 10)) : static_cast<size_t>(64) << 30;
    }();
    return total;
}

size_t memory_used() {
    std::lock_guard<std::mutex> guard(lock);
    return used;
}

size_t memory_used_by_thread() {
    std::lock_guard<std::mutex> guard(lock);
    return thread_used ? *thread_used : 0;
}

void set_thread_memory(size_t bytes) { thread_limit = bytes; }

uint64_t allocate(size_t bytes) {
    if (!thread_used) thread_used = new size_t(0);
    std::lock_guard<std::mutex> guard(lock);
    if (bytes > memory_total() - used || *thread_used > thread_limit || bytes > thread_limit - *thread_used) return 0;
    const size_t pages = (bytes + page() - 1) / page() * page();
    void* p = mmap(nullptr, pages + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return 0;
    char* map = static_cast<char*>(p);
    if (!fill(map, pages)) {
        munmap(p, pages + page());
        return 0;
    }
    mprotect(map + pages, page(), PROT_NONE);
    // aligned to 256 bytes if the size is, as on a device; else as near to the end as 16-byte moves allow
    const uint64_t address = reinterpret_cast<uint64_t>(map + (pages - bytes)) / 16 * 16;
    live[address] = {map, pages + page(), bytes, thread_used};
    used += bytes;
    *thread_used += bytes;
    return address;
}

bool release(uint64_t address, std::string& note) {
    std::lock_guard<std::mutex> guard(lock);
    const auto found = live.find(address);
    if (found == live.end()) {
        note = "an address that was not allocated is freed";
        return false;
    }
    const Buffer b = found->second;
    const char* start = reinterpret_cast<const char*>(address);
    // of the page before the buffer only its end is looked at
    const char* before = start - b.map > 256 ? start - 256 : b.map;
    if (!is_untouched(before, start))
        note = "bytes before a buffer of " + std::to_string(b.bytes) + " bytes were overwritten";
    if (!is_untouched(start + b.bytes, b.map + b.map_bytes - page()))
        note = "bytes behind a buffer of " + std::to_string(b.bytes) + " bytes were overwritten";
    mprotect(b.map, b.map_bytes, PROT_NONE);
    madvise(b.map, b.map_bytes, MADV_DONTNEED);
    used -= b.bytes;
    *b.owner -= b.bytes;
    live.erase(found);
    freed[address] = b;
    freed_order.push_back(address);
    if (freed_order.size() > KEPT) {
        const auto old = freed.find(freed_order.front());
        munmap(old->second.map, old->second.map_bytes);
        freed.erase(old);
        freed_order.pop_front();
    }
    return note.empty();
}

bool is_allocated(uint64_t address, size_t bytes) {
    std::lock_guard<std::mutex> guard(lock);
    auto found = live.upper_bound(address);
    if (found == live.begin()) return bytes == 0;
    --found;
    const uint64_t offset = address - found->first;
    return offset <= found->second.bytes && bytes <= found->second.bytes - offset;
}

std::string describe(const void* address) {
    const uint64_t a = reinterpret_cast<uint64_t>(address);
    char text[160];
    if (a < 4096) {
        // the processor reports no address for misaligned vector moves and addresses out of its range
        snprintf(text, sizeof text, "a null pointer or an address that is misaligned or out of range");
        return text;
    }
    std::lock_guard<std::mutex> guard(lock);
    if (const auto* entry = containing(live, a)) {
        const uint64_t end = entry->first + entry->second.bytes;
        snprintf(text, sizeof text, "%llu bytes behind a buffer of %zu bytes", static_cast<unsigned long long>(a - end),
                 entry->second.bytes);
        return text;
    }
    if (const auto* entry = containing(freed, a)) {
        snprintf(text, sizeof text, "in a buffer of %zu bytes that was freed", entry->second.bytes);
        return text;
    }
    return "which is in no buffer";
}

}  // namespace stand_in
