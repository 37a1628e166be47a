// Stand-in for libcuda.so.1: streams, events, recording and graphs.
#include <unistd.h>

#include <chrono>

#include "state.h"

namespace stand_in {

thread_local Stream* recorded = nullptr;
static Stream default_stream;

Stream& stream_of(void* handle) {
    return reinterpret_cast<uintptr_t>(handle) <= 2 ? default_stream : *static_cast<Stream*>(handle);
}

Result submit(void* handle, std::function<Result()> work) {
    Stream& s = stream_of(handle);
    if (s.recording) {
        if (s.invalidated)
            return failed(CAPTURE_INVALIDATED, "the recording of the stream was spoilt by an earlier call");
        s.recording->push_back(std::move(work));
        return OK;
    }
    Result r = progress(s);
    if (r == OK) r = work();
    if (r != NOT_READY) return r;
    s.waiting.push_back(std::move(work));
    return OK;
}

Result progress(Stream& s) {
    while (!s.waiting.empty()) {
        const Result r = s.waiting.front()();
        if (r == NOT_READY) return r;
        s.waiting.pop_front();
        if (r == OK) continue;
        s.waiting.clear();
        return r;
    }
    return OK;
}

Result refuse_while_recording(const char* call) {
    if (!recorded || recorded->mode == 2) return OK;
    recorded->invalidated = true;
    return failed(CAPTURE_UNSUPPORTED, std::string(call) + " is not allowed while a stream is recorded");
}

}  // namespace stand_in

using namespace stand_in;
typedef std::chrono::steady_clock Clock;

struct Moment {
    Clock::time_point time;
    bool recorded = false;
    // not reached yet on this stream
    unsigned pending = 0;
    void* stream = nullptr;
};
// Work that waits may outlive the event.
typedef std::shared_ptr<Moment> Event;

STAND_IN_API int cuStreamCreate(void** stream, unsigned) { return *stream = new Stream, OK; }
STAND_IN_API int cuStreamCreateWithPriority(void** stream, unsigned, int) { return *stream = new Stream, OK; }
STAND_IN_API int cuStreamDestroy_v2(void* stream) {
    if (reinterpret_cast<uintptr_t>(stream) <= 2) return INVALID_HANDLE;
    if (recorded == stream) recorded = nullptr;
    delete static_cast<Stream*>(stream);
    return OK;
}
static Result wait(void* handle, const char* call) {
    Stream& s = stream_of(handle);
    if (!s.recording) return progress(s);
    s.invalidated = true;
    return failed(CAPTURE_UNSUPPORTED, std::string(call) + " is not allowed on a stream that is recorded");
}
STAND_IN_API int cuStreamSynchronize(void* stream) {
    counts.synchronizations++;
    for (;;) {
        const Result r = wait(stream, "cuStreamSynchronize");
        if (r != NOT_READY) return r;
        usleep(20);
    }
}
STAND_IN_API int cuStreamQuery(void* stream) { return wait(stream, "cuStreamQuery"); }
STAND_IN_API int cuStreamWaitEvent(void*, void*, unsigned) { return OK; }
STAND_IN_API int cuStreamAttachMemAsync(void*, uint64_t, size_t, unsigned) { return OK; }
STAND_IN_API int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
    return submit(stream, [=] { return function(data), OK; });
}

static Moment& moment(void* event) { return **static_cast<Event*>(event); }
STAND_IN_API int cuEventCreate(void** event, unsigned) { return *event = new Event(new Moment), OK; }
STAND_IN_API int cuEventDestroy_v2(void* event) { return delete static_cast<Event*>(event), OK; }
STAND_IN_API int cuEventRecord(void* event, void* stream) {
    const Event e = *static_cast<Event*>(event);
    if (!stream_of(stream).recording) {
        e->pending++;
        e->stream = stream;
    }
    return submit(stream, [=] {
        e->time = Clock::now();
        e->recorded = true;
        e->pending -= e->pending > 0;
        return OK;
    });
}
STAND_IN_API int cuEventQuery(void* event) {
    const Moment& m = moment(event);
    if (!m.pending) return OK;
    const Result r = progress(stream_of(m.stream));
    return r == NOT_READY && !m.pending ? OK : r;
}
STAND_IN_API int cuEventSynchronize(void* event) {
    counts.synchronizations++;
    if (const Result r = refuse_while_recording("cuEventSynchronize")) return r;
    for (;;) {
        const int r = cuEventQuery(event);
        if (r != NOT_READY) return r;
        usleep(20);
    }
}
STAND_IN_API int cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
    const Moment &a = moment(from), &b = moment(to);
    if (!a.recorded || !b.recorded) return INVALID_HANDLE;
    *milliseconds = std::chrono::duration<float, std::milli>(b.time - a.time).count();
    return OK;
}
STAND_IN_API int cuEventElapsedTime(float* milliseconds, void* from, void* to) {
    return cuEventElapsedTime_v2(milliseconds, from, to);
}

STAND_IN_API int cuStreamBeginCapture_v2(void* handle, int mode) {
    if (reinterpret_cast<uintptr_t>(handle) <= 2)
        return failed(CAPTURE_UNSUPPORTED, "the default stream cannot be recorded");
    Stream& s = stream_of(handle);
    if (s.recording || recorded) return failed(ILLEGAL_STATE, "a stream is being recorded already");
    s.recording = std::make_shared<Work>();
    s.invalidated = false;
    s.mode = mode;
    recorded = &s;
    return OK;
}
STAND_IN_API int cuStreamEndCapture(void* handle, void** graph) {
    Stream& s = stream_of(handle);
    *graph = nullptr;
    if (!s.recording) return failed(ILLEGAL_STATE, "the stream is not being recorded");
    if (recorded != &s) return failed(WRONG_THREAD, "the recording was begun by another thread");
    const std::shared_ptr<Work> work = std::move(s.recording);
    s.recording = nullptr;
    recorded = nullptr;
    if (s.invalidated) return failed(CAPTURE_INVALIDATED, "the recording was spoilt by an earlier call");
    *graph = new Graph{work};
    return OK;
}
// 0 no recording, 1 active, 2 spoilt
STAND_IN_API int cuStreamIsCapturing(void* handle, int* status) {
    const Stream& s = stream_of(handle);
    *status = !s.recording ? 0 : s.invalidated ? 2 : 1;
    return OK;
}
STAND_IN_API int cuStreamGetCaptureInfo_v3(void* handle, int* status, uint64_t* id, void** graph, void*, void*,
                                           size_t*) {
    if (id) *id = reinterpret_cast<uint64_t>(handle);
    if (graph) *graph = nullptr;
    return cuStreamIsCapturing(handle, status);
}
STAND_IN_API int cuThreadExchangeStreamCaptureMode(int* mode) { return *mode = 0, OK; }

STAND_IN_API int cuGraphGetNodes(void* graph, void** nodes, size_t* count) {
    const size_t have = static_cast<Graph*>(graph)->work->size();
    for (size_t i = 0; nodes && i < *count && i < have; i++) nodes[i] = &(*static_cast<Graph*>(graph)->work)[i];
    *count = have;
    return OK;
}
STAND_IN_API int cuGraphInstantiateWithFlags(void** executable, void* graph, uint64_t) {
    return *executable = new Graph(*static_cast<Graph*>(graph)), OK;
}
STAND_IN_API int cuGraphUpload(void*, void*) { return OK; }
STAND_IN_API int cuGraphLaunch(void* executable, void* stream) {
    const std::shared_ptr<Work> work = static_cast<Graph*>(executable)->work;
    counts.replays++;
    for (const auto& part : *work)
        if (const Result r = submit(stream, part)) return r;
    return OK;
}
STAND_IN_API int cuGraphExecDestroy(void* executable) { return delete static_cast<Graph*>(executable), OK; }
STAND_IN_API int cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), OK; }
