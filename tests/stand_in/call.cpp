// See call.h.
#include "call.h"

#include <cstring>

#include "memory.h"

namespace stand_in {

Status Communicator::fail(Status why, const std::string& sentence) {
    if (status == SUCCESS || status == IN_PROGRESS) status = why;
    return last = sentence, why;
}

static Transfer transfer(const char* call, int peer, bool sends, void* memory, size_t bytes) {
    Transfer t = {peer, sends, static_cast<char*>(memory), {}, {}};
    strncpy(t.head.call, call, sizeof t.head.call - 1);
    t.head.bytes = bytes;
    return t;
}

void Call::send(const char* call, int to, const void* data, size_t bytes) {
    transfers.push_back(transfer(call, to, true, const_cast<void*>(data), bytes));
}
void Call::receive(const char* call, int from, void* data, size_t bytes) {
    transfers.push_back(transfer(call, from, false, data, bytes));
}

// Moves what can be moved; whether any byte was.
bool Call::advance(Transfer& t) {
    const size_t before = t.done;
    for (;;) {
        const bool head = t.done < sizeof t.head;
        const size_t end = head ? sizeof t.head : sizeof t.head + t.head.bytes;
        char* at = head ? reinterpret_cast<char*>(t.sends ? &t.head : &t.met) + t.done
                        : t.memory + (t.done - sizeof t.head);
        // what follows a head is taken only once the heads agree
        if (t.done == end) return t.done != before;
        const size_t moved = t.sends ? comm->wire.send(t.peer, at, end - t.done)
                                     : comm->wire.receive(t.peer, at, end - t.done);
        t.done += moved;
        if (moved == 0 || (!t.sends && t.done == sizeof t.head)) return t.done != before;
    }
}

Result Call::compare(const Transfer& t) {
    if (t.sends || t.done < sizeof t.head || memcmp(&t.head, &t.met, sizeof t.head) == 0) return OK;
    auto words = [](const Transfer::Head& head) {
        return std::string(head.call) + " of " + std::to_string(head.bytes) + " bytes" +
               (head.recorded ? " in a recorded graph" : "");
    };
    const std::string sentence = "rank " + std::to_string(comm->rank) + " calls " + words(t.head) + ", rank " +
                                 std::to_string(t.peer) + " calls " + words(t.met) + ": NCCL would hang";
    comm->fail(INVALID_USAGE, sentence);
    comm->wire.leave(Wire::ABORTED);
    return failed(LAUNCH_FAILED, sentence);
}

Result Call::run() {
    if (comm->aborted) return OK;
    if (!under_way) {
        for (const auto& range : ranges)
            if (range.second && !is_allocated(reinterpret_cast<uint64_t>(range.first), range.second))
                return failed(ILLEGAL_ADDRESS, "NCCL: " + std::to_string(range.second) + " bytes are in no buffer");
        for (Transfer& t : transfers) t.done = 0;
        under_way = true;
    }
    bool all = true;
    for (size_t i = 0; i < transfers.size(); i++) {
        Transfer& t = transfers[i];
        const size_t end = sizeof t.head + t.head.bytes;
        // messages of a pair and direction are in order
        bool first = true;
        for (size_t j = 0; j < i; j++) {
            const Transfer& u = transfers[j];
            first &= u.peer != t.peer || u.sends != t.sends || u.done == sizeof u.head + u.head.bytes;
        }
        while (first && t.done < end && advance(t))
            if (const Result r = compare(t)) return r;
        all &= t.done == end;
    }
    if (!all) return NOT_READY;
    for (const auto& work : after) work();
    under_way = false;
    return OK;
}

}  // namespace stand_in
