// See wire.h.
#include "wire.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace stand_in {

bool Wire::open(const std::string& name, int r, int w, int device, std::string& why) {
    path = name, rank = r, world = w;
    if (w < 1 || w > MOST_RANKS || r < 0 || r >= w)
        return why = "no rank " + std::to_string(r) + " of " + std::to_string(w), false;
    size = sizeof(Hall) + static_cast<size_t>(world * world) * sizeof(Ring);
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void* mapped = MAP_FAILED;
    // a file that is made longer is zero where nothing was written, whoever makes it so first
    if (file >= 0 && ftruncate(file, static_cast<off_t>(size)) == 0)
        mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) why = path + ": " + strerror(errno);
    if (file >= 0) close(file);
    if (mapped == MAP_FAILED) return false;
    hall = static_cast<Hall*>(mapped);
    hall->members[rank].device = device;
    if (hall->members[rank].state.exchange(THERE) != ABSENT)
        return why = "rank " + std::to_string(rank) + " is there already", false;
    return true;
}

bool Wire::complete() {
    for (int i = 0; i < world; i++)
        if (hall->members[i].state == ABSENT) return false;
    if (rank == 0) unlink(path.c_str());
    return true;
}

int Wire::same_device(int of) const {
    for (int i = 0; i < of; i++)
        if (hall->members[i].device == hall->members[of].device) return i;
    return -1;
}

int Wire::aborted() const {
    for (int i = 0; i < world; i++)
        if (hall->members[i].state == ABORTED) return i;
    return -1;
}

void Wire::leave(State state) {
    if (hall) hall->members[rank].state = state;
}

size_t Wire::send(int to, const void* data, size_t bytes) {
    Ring& r = ring(rank, to);
    const uint64_t at = r.written, free = ROOM - (at - r.read);
    const size_t count = std::min<size_t>({bytes, free, ROOM - at % ROOM});
    memcpy(r.data + at % ROOM, data, count);
    r.written = at + count;
    return count;
}

size_t Wire::receive(int from, void* data, size_t bytes) {
    Ring& r = ring(from, rank);
    const uint64_t at = r.read, there = r.written - at;
    const size_t count = std::min<size_t>({bytes, there, ROOM - at % ROOM});
    memcpy(data, r.data + at % ROOM, count);
    r.read = at + count;
    return count;
}

Wire::~Wire() {
    if (hall && rank == 0 && !complete()) unlink(path.c_str());
    if (hall) munmap(hall, size);
}

}  // namespace stand_in
