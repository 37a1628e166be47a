// Stand-in for libnccl.so.2: ranks on the stand-in's devices. Its all-reduce adds in an order of its own, from the last
// rank to the first, as NCCL's is not one to rely on.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "call.h"

using namespace stand_in;
typedef std::shared_ptr<Communicator> Comm;

struct Id {
    char path[128];
};
struct Config {
    size_t size;
    unsigned magic, version;
    int blocking;
};

static thread_local std::string last;
static Status refuse(Status status, const std::string& sentence) { return last = sentence, status; }

// Calls of a group in the order in which they came, by communicator and stream.
struct Grouped {
    Comm comm;
    void* stream;
    std::shared_ptr<Call> call;
};
static thread_local int depth = 0;
static thread_local std::vector<Grouped> group;
static thread_local Status fault = SUCCESS;

static Comm& comm_of(void* handle) { return *static_cast<Comm*>(handle); }

static Call& grouped(void* handle, void* stream) {
    for (Grouped& g : group)
        if (g.comm == comm_of(handle) && g.stream == stream) return *g.call;
    group.push_back({comm_of(handle), stream, std::make_shared<Call>()});
    group.back().call->comm = comm_of(handle);
    return *group.back().call;
}

static size_t bytes_of(int type) {
    static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
    return type >= 0 && type < 10 ? sizes[type] : 0;
}

STAND_IN_API int ncclGetVersion(int* version) {
    const char* text = getenv("EBT_STAND_IN_NCCL");
    return *version = text ? atoi(text) : 22703, SUCCESS;
}
STAND_IN_API const char* ncclGetErrorString(int status) {
    switch (status) {
        case SUCCESS: return "no error";
        case SYSTEM_ERROR: return "unhandled system error";
        case INVALID_ARGUMENT: return "invalid argument";
        case INVALID_USAGE: return "invalid usage";
        case REMOTE_ERROR: return "remote process exited or there was a network error";
        case IN_PROGRESS: return "NCCL operation in progress";
        default: return "unknown result code";
    }
}
STAND_IN_API const char* ncclGetLastError(void* handle) { return handle ? comm_of(handle)->last.c_str() : last.c_str(); }

STAND_IN_API int ncclGetUniqueId(Id* id) {
    static std::atomic<unsigned> count;
    const char* folder = getenv("TMPDIR");
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    memset(id, 0, sizeof *id);
    const int length = snprintf(id->path, sizeof id->path, "%s/stand-in-nccl-%d-%u-%llx", folder ? folder : "/tmp",
                                static_cast<int>(getpid()), count++, static_cast<unsigned long long>(now));
    return length < static_cast<int>(sizeof id->path) ? SUCCESS : refuse(SYSTEM_ERROR, "TMPDIR is too long");
}

// Whether all ranks are there, each on a device of its own.
static Status arrival(Communicator& c) {
    if (c.status != IN_PROGRESS || !c.wire.complete()) return c.status;
    c.status = SUCCESS;
    for (int i = 0; i < c.world; i++)
        if (const int other = c.wire.same_device(i); other >= 0)
            return c.fail(INVALID_USAGE, "Duplicate GPU detected : rank " + std::to_string(other) + " and rank " +
                                             std::to_string(i) + " both on one CUDA device");
    return c.status;
}

STAND_IN_API int ncclCommInitRankConfig(void** handle, int world, Id id, int rank, const Config* config) {
    *handle = nullptr;
    if (!config || config->magic != 0xcafebeef || config->size < 48 || config->version < 21800)
        return refuse(INVALID_ARGUMENT, "ncclConfig_t argument not initialized via NCCL_CONFIG_INITIALIZER");
    auto c = std::make_shared<Communicator>();
    c->rank = rank, c->world = world;
    std::string why;
    if (!c->wire.open(id.path, rank, world, current_device(), why)) return refuse(SYSTEM_ERROR, why);
    *handle = new Comm(c);
    if (config->blocking != 0)
        while (arrival(*c) == IN_PROGRESS) usleep(100);
    return arrival(*c);
}
STAND_IN_API int ncclCommGetAsyncError(void* handle, int* status) {
    Communicator& c = *comm_of(handle);
    if (arrival(c) == SUCCESS)
        if (const int gone = c.wire.aborted(); gone >= 0)
            c.fail(REMOTE_ERROR, "rank " + std::to_string(gone) + " aborted its communicator");
    return *status = c.status, SUCCESS;
}

static int end(void* handle, Wire::State state) {
    const Comm c = comm_of(handle);
    c->aborted |= state == Wire::ABORTED;
    c->wire.leave(state);
    delete static_cast<Comm*>(handle);
    return SUCCESS;
}
STAND_IN_API int ncclCommAbort(void* handle) { return end(handle, Wire::ABORTED); }
STAND_IN_API int ncclCommFinalize(void*) { return SUCCESS; }
STAND_IN_API int ncclCommDestroy(void* handle) { return end(handle, Wire::LEFT); }

STAND_IN_API int ncclGroupStart() { return depth++, SUCCESS; }
STAND_IN_API int ncclGroupEnd() {
    if (depth == 0) return refuse(INVALID_USAGE, "ncclGroupEnd: not in a group call.");
    if (--depth > 0) return SUCCESS;
    std::vector<Grouped> calls;
    calls.swap(group);
    const Status before = fault;
    fault = SUCCESS;
    if (before) return before;
    for (const Grouped& g : calls) {
        for (Transfer& t : g.call->transfers) t.head.recorded = stream_of(g.stream).recording != nullptr;
        if (const Result r = submit(g.stream, [call = g.call] { return call->run(); }))
            return r == LAUNCH_FAILED ? g.comm->status : refuse(SYSTEM_ERROR, "the stream takes no work");
    }
    return SUCCESS;
}

// Runs `add` on the call of the group that is open, or on a group of its own.
template <class F> static int collective(void* handle, void* stream, int type, size_t count, F add) {
    ncclGroupStart();
    if (!bytes_of(type))
        fault = refuse(INVALID_ARGUMENT, "no such type");
    else if (comm_of(handle)->status != SUCCESS)
        fault = refuse(INVALID_USAGE, "a call on a communicator that is not ready");
    else
        add(grouped(handle, stream), *comm_of(handle), count * bytes_of(type));
    return ncclGroupEnd();
}

static int alone(const char* call) {
    return refuse(INVALID_USAGE, std::string(call) + " outside a group: the send of every rank would wait for a receive");
}
STAND_IN_API int ncclSend(const void* data, size_t count, int type, int peer, void* handle, void* stream) {
    if (depth == 0) return alone("ncclSend");
    return collective(handle, stream, type, count, [=](Call& call, Communicator&, size_t bytes) {
        call.ranges.emplace_back(data, bytes);
        call.send("ncclSend", peer, data, bytes);
    });
}
STAND_IN_API int ncclRecv(void* data, size_t count, int type, int peer, void* handle, void* stream) {
    if (depth == 0) return alone("ncclRecv");
    return collective(handle, stream, type, count, [=](Call& call, Communicator&, size_t bytes) {
        call.ranges.emplace_back(data, bytes);
        call.receive("ncclSend", peer, data, bytes);
    });
}
STAND_IN_API int ncclAllGather(const void* data, void* all, size_t count, int type, void* handle, void* stream) {
    return collective(handle, stream, type, count, [=](Call& call, Communicator& c, size_t bytes) {
        call.ranges.insert(call.ranges.end(), {{data, bytes}, {all, bytes * static_cast<size_t>(c.world)}});
        char* to = static_cast<char*>(all);
        for (int i = 0; i < c.world; i++) {
            call.send("ncclAllGather", i, data, bytes);
            call.receive("ncclAllGather", i, to + static_cast<size_t>(i) * bytes, bytes);
        }
    });
}
STAND_IN_API int ncclBroadcast(const void* data, void* to, size_t count, int type, int root, void* handle,
                               void* stream) {
    return collective(handle, stream, type, count, [=](Call& call, Communicator& c, size_t bytes) {
        call.ranges.emplace_back(to, bytes);
        for (int i = 0; c.rank == root && i < c.world; i++) call.send("ncclBroadcast", i, data, bytes);
        call.receive("ncclBroadcast", root, to, bytes);
    });
}
STAND_IN_API int ncclAllReduce(const void* data, void* out, size_t count, int type, int operation, void* handle,
                               void* stream) {
    if (type != 7 || operation != 0) return refuse(INVALID_ARGUMENT, "the stand-in adds float only");
    return collective(handle, stream, type, count, [=](Call& call, Communicator& c, size_t bytes) {
        call.ranges.insert(call.ranges.end(), {{data, bytes}, {out, bytes}});
        const auto all = std::make_shared<std::vector<char>>(bytes * static_cast<size_t>(c.world));
        for (int i = 0; i < c.world; i++) {
            call.send("ncclAllReduce", i, data, bytes);
            call.receive("ncclAllReduce", i, all->data() + static_cast<size_t>(i) * bytes, bytes);
        }
        call.after.push_back([=, world = static_cast<size_t>(c.world)] {
            const float* x = reinterpret_cast<const float*>(all->data());
            float* sum = static_cast<float*>(out);
            for (size_t k = 0; k < count; k++) {
                float total = x[(world - 1) * count + k];
                for (size_t i = world - 1; i-- > 0;) total = x[i * count + k] + total;
                sum[k] = total;
            }
        });
    });
}
