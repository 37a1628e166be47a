// Bytes between ranks, which are processes of this machine or threads of one: a ring for every pair and direction in a
// file that all map, whose name is the identity that they share. Nothing here waits.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace stand_in {

class Wire {
  public:
    enum State : int { ABSENT, THERE, LEFT, ABORTED };
    static constexpr int MOST_RANKS = 16;

    // Maps the file; a sentence in `why` if that fails.
    bool open(const std::string& path, int rank, int world, int device, std::string& why);
    // Whether every rank has opened its end; the file then needs no name.
    bool complete();
    // A lower rank on the same device, or -1.
    int same_device(int rank) const;
    // The lowest rank that aborted, or -1.
    int aborted() const;
    void leave(State state);
    // Bytes taken over, at most `bytes`.
    size_t send(int to, const void* data, size_t bytes);
    size_t receive(int from, void* data, size_t bytes);
    ~Wire();

  private:
    struct Member {
        std::atomic<int> state, device;
    };
    static constexpr size_t ROOM = 64 << 10;
    struct Ring {
        std::atomic<uint64_t> written, read;
        char data[ROOM];
    };
    struct Hall {
        Member members[MOST_RANKS];
        Ring rings[];
    };
    Ring& ring(int from, int to) { return hall->rings[from * world + to]; }

    Hall* hall = nullptr;
    size_t size = 0;
    int rank = 0, world = 0;
    std::string path;
};

}  // namespace stand_in
