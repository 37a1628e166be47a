// What the ranks of a communicator do together: transfers of one group of calls, all at a time, in the order of a stream.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "state.h"
#include "wire.h"

namespace stand_in {

// ncclResult_t
enum Status : int {
    SUCCESS = 0,
    SYSTEM_ERROR = 2,
    INVALID_ARGUMENT = 4,
    INVALID_USAGE = 5,
    REMOTE_ERROR = 6,
    IN_PROGRESS = 7,
};

struct Communicator {
    Wire wire;
    int rank, world;
    Status status = IN_PROGRESS;
    bool aborted = false;
    std::string last;

    Status fail(Status why, const std::string& sentence);
};

// One end of a message. `head` says what it is of, and is compared with that of the other end.
struct Transfer {
    struct Head {
        char call[16];
        uint64_t bytes;
        uint64_t recorded;
    };
    int peer;
    bool sends;
    char* memory;
    Head head, met;
    // of head and memory
    size_t done = 0;
};

// A group of calls on one communicator and stream.
struct Call {
    std::shared_ptr<Communicator> comm;
    std::vector<Transfer> transfers;
    // ranges of device memory that are read or written
    std::vector<std::pair<const void*, size_t>> ranges;
    // what is done after the last transfer
    std::vector<std::function<void()>> after;
    bool under_way = false;

    void send(const char* call, int to, const void* data, size_t bytes);
    void receive(const char* call, int from, void* data, size_t bytes);
    // NOT_READY until every transfer is done; may be run again after that.
    Result run();

  private:
    Result compare(const Transfer& t);
    bool advance(Transfer& t);
};

}  // namespace stand_in
