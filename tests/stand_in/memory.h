// Device memory: every buffer ends at an inaccessible page, is filled with 0xFF (not-a-number in every storage type),
// and stays inaccessible for a while after it is freed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace stand_in {

// Pages followed by an inaccessible one; `bytes` is rounded up to pages, and the last of them is the end. Null if
// refused.
void* map_guarded(size_t bytes);

// A buffer, or 0 if the memory limit does not allow it.
uint64_t allocate(size_t bytes);
// Frees; false if the address is none that `allocate` gave, or (with a sentence in `note`) if bytes before the buffer
// or behind it were overwritten.
bool release(uint64_t address, std::string& note);
// Whether the bytes lie within one live buffer.
bool is_allocated(uint64_t address, size_t bytes);
// Where an address lies, for sentences. Called from signal handlers too.
std::string describe(const void* address);

// Bytes that may be allocated in all (by default 64 GiB or EBT_STAND_IN_MEMORY), and how many are.
size_t memory_total();
size_t memory_used();
// Bytes in buffers that this system thread allocated.
size_t memory_used_by_thread();
// A limit on the buffers of this system thread; SIZE_MAX for none.
void set_thread_memory(size_t bytes);

}  // namespace stand_in
