// A stand-in for libcublasLt.so.13: descriptors, layouts, the choice of an algorithm, and the call. What cublasLt
// refuses (combinations of types, pointers less aligned than the algorithm was chosen for, a workspace that is too
// small) is refused here too. The product itself is in product.cpp.
#include <cstring>

#include "memory.h"
#include "product.h"
#include "state.h"

using namespace stand_in;

enum Status : int {
    DONE = 0,
    NOT_INITIALIZED = 1,
    BAD_VALUE = 7,
    EXECUTION_FAILED = 13,
    UNSUPPORTED = 15,
};

struct Description {
    int compute, scale, pointer_mode = 0, transpose[3] = {0, 0, 0}, epilogue = 1;
};
struct Layout {
    int type, order = 0;
    uint64_t rows, columns;
    int64_t stride;
    int batches = 1;
    int64_t batch_stride = 0;
};
struct Preference {
    uint64_t workspace = 0;
    uint32_t alignment[4] = {256, 256, 256, 256};
};
// What the words of an algorithm mean here.
struct Algorithm {
    uint64_t mark;
    uint64_t workspace;
    uint32_t alignment[4];
    uint64_t shape;
    uint64_t rest[3];
};
struct Choice {
    Algorithm algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
static_assert(sizeof(Algorithm) == 64, "the size of cublasLtMatmulAlgo_t");
constexpr uint64_t MARK = 0x6f6e5f6770755f21ull;
constexpr uint64_t NEEDED_WORKSPACE = 4096;

static int bad(const std::string& why) { return failed(INVALID_VALUE, "cublasLt: " + why), BAD_VALUE; }
static int unsupported(const std::string& why) { return failed(NOT_SUPPORTED, "cublasLt: " + why), UNSUPPORTED; }

template <class T> static int put(T& field, const void* value, size_t bytes) {
    if (bytes != sizeof field)
        return bad("an attribute of " + std::to_string(bytes) + " bytes that has " + std::to_string(sizeof field));
    memcpy(&field, value, bytes);
    return DONE;
}

STAND_IN_API size_t cublasLtGetVersion() { return 130000; }
STAND_IN_API size_t cublasLtGetCudartVersion() { return 13000; }
STAND_IN_API const char* cublasLtGetStatusName(int status) {
    return status == DONE          ? "CUBLAS_STATUS_SUCCESS"
           : status == BAD_VALUE   ? "CUBLAS_STATUS_INVALID_VALUE"
           : status == UNSUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED"
                                   : "CUBLAS_STATUS_EXECUTION_FAILED";
}
STAND_IN_API const char* cublasLtGetStatusString(int status) { return cublasLtGetStatusName(status); }
STAND_IN_API int cublasLtCreate(void** handle) { return *handle = new int(1), DONE; }
STAND_IN_API int cublasLtDestroy(void* handle) { return delete static_cast<int*>(handle), DONE; }
STAND_IN_API int cublasLtLoggerSetLevel(int) { return DONE; }
STAND_IN_API int cublasLtLoggerOpenFile(const char*) { return DONE; }

STAND_IN_API int cublasLtMatmulDescCreate(void** description, int compute, int scale) {
    auto* d = new Description;
    d->compute = compute;
    d->scale = scale;
    return *description = d, DONE;
}
STAND_IN_API int cublasLtMatmulDescDestroy(void* d) { return delete static_cast<Description*>(d), DONE; }
STAND_IN_API int cublasLtMatmulDescSetAttribute(void* description, int which, const void* value, size_t bytes) {
    auto& d = *static_cast<Description*>(description);
    switch (which) {
        case 0: return put(d.compute, value, bytes);
        case 1: return put(d.scale, value, bytes);
        case 2: return put(d.pointer_mode, value, bytes);
        case 3:
        case 4:
        case 5: return put(d.transpose[which - 3], value, bytes);
        case 7: return put(d.epilogue, value, bytes);
        default: return unsupported("attribute " + std::to_string(which) + " of a product");
    }
}

STAND_IN_API int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t stride) {
    auto* l = new Layout;
    l->type = type;
    l->rows = rows;
    l->columns = columns;
    l->stride = stride;
    return *layout = l, DONE;
}
STAND_IN_API int cublasLtMatrixLayoutDestroy(void* l) { return delete static_cast<Layout*>(l), DONE; }
STAND_IN_API int cublasLtMatrixLayoutSetAttribute(void* layout, int which, const void* value, size_t bytes) {
    auto& l = *static_cast<Layout*>(layout);
    switch (which) {
        case 0: return put(l.type, value, bytes);
        case 1: return put(l.order, value, bytes);
        case 2: return put(l.rows, value, bytes);
        case 3: return put(l.columns, value, bytes);
        case 4: return put(l.stride, value, bytes);
        case 5: return put(l.batches, value, bytes);
        case 6: return put(l.batch_stride, value, bytes);
        default: return unsupported("attribute " + std::to_string(which) + " of a layout");
    }
}

STAND_IN_API int cublasLtMatmulPreferenceCreate(void** preference) { return *preference = new Preference, DONE; }
STAND_IN_API int cublasLtMatmulPreferenceDestroy(void* p) { return delete static_cast<Preference*>(p), DONE; }
STAND_IN_API int cublasLtMatmulPreferenceSetAttribute(void* preference, int which, const void* value, size_t bytes) {
    auto& p = *static_cast<Preference*>(preference);
    switch (which) {
        case 1: return put(p.workspace, value, bytes);
        case 5:
        case 6:
        case 7:
        case 8: return put(p.alignment[which - 5], value, bytes);
        case 0:
        case 3:
        case 9:
        case 11:
        case 12: return DONE;  // search mode and other hints
        default: return unsupported("attribute " + std::to_string(which) + " of a preference");
    }
}

// The product that descriptors and layouts mean; DONE, or why there is none.
static int describe_product(const Description& d, const Layout* const layouts[4], GeneralProduct& out) {
    const Layout &a = *layouts[0], &b = *layouts[1], &c = *layouts[2], &r = *layouts[3];
    if (d.transpose[2] != 0) return unsupported("a transposed third operand");
    if (d.epilogue != 1) return unsupported("an epilogue");
    if (d.pointer_mode != 0) return unsupported("factors on the device");
    if (d.scale != REAL_F32) return unsupported("factors that are not single precision");
    const bool tf32 = d.compute == COMPUTE_TF32;
    if (d.compute != COMPUTE_F32 && d.compute != COMPUTE_F32_PEDANTIC && !tf32)
        return unsupported("compute type " + std::to_string(d.compute));
    if (a.type != b.type || c.type != r.type) return unsupported("operands of different types");
    if (!element_bytes(a.type) || !element_bytes(r.type)) return unsupported("an element type");
    if (a.type != r.type && r.type != REAL_F32) return unsupported("this result for operands of another type");
    if (tf32 && a.type != REAL_F32) return unsupported("TF32 products of 16-bit numbers");
    for (const Layout* l : {&a, &b, &c, &r}) {
        const uint64_t along = l->order == 0 ? l->rows : l->columns;
        if (l->order != 0 && l->order != 1) return unsupported("this order of elements");
        if (l->rows == 0 || l->columns == 0 || l->stride < static_cast<int64_t>(along))
            return bad("a layout of " + std::to_string(l->rows) + " x " + std::to_string(l->columns) +
                       " with leading dimension " + std::to_string(l->stride));
        if (l->batches != a.batches) return bad("layouts with different batch counts");
    }
    const auto view = [](const Layout& l, bool transposed) {
        // strides between rows and between columns of op(l)
        const int64_t rows = l.order == 0 ? 1 : l.stride, columns = l.order == 0 ? l.stride : 1;
        return transposed ? View{l.type, columns, rows, l.batch_stride} : View{l.type, rows, columns, l.batch_stride};
    };
    const bool ta = d.transpose[0] != 0, tb = d.transpose[1] != 0;
    out.m = ta ? a.columns : a.rows;
    out.k = ta ? a.rows : a.columns;
    out.n = tb ? b.rows : b.columns;
    const uint64_t inner = tb ? b.columns : b.rows;
    if (inner != out.k || r.rows != out.m || r.columns != out.n || c.rows != out.m || c.columns != out.n)
        return bad("shapes that do not fit: inner " + std::to_string(out.k) + " and " + std::to_string(inner) +
                   ", result " + std::to_string(r.rows) + " x " + std::to_string(r.columns) + " for " +
                   std::to_string(out.m) + " x " + std::to_string(out.n));
    out.a = view(a, ta);
    out.b = view(b, tb);
    out.c = view(c, false);
    out.d = view(r, false);
    out.batches = static_cast<uint64_t>(a.batches);
    out.tf32 = tf32;
    return DONE;
}

static uint64_t shape_word(const GeneralProduct& p) {
    const uint64_t words[] = {p.m,
                              p.n,
                              p.k,
                              p.batches,
                              static_cast<uint64_t>(p.a.type),
                              static_cast<uint64_t>(p.d.type),
                              static_cast<uint64_t>(p.a.row_stride),
                              static_cast<uint64_t>(p.a.column_stride),
                              static_cast<uint64_t>(p.b.row_stride),
                              static_cast<uint64_t>(p.b.column_stride),
                              p.tf32};
    uint64_t hash = 0;
    for (uint64_t w : words) hash = (hash ^ w) * 0x100000001b3ull + (hash >> 29);
    return hash;
}

STAND_IN_API int cublasLtMatmulAlgoGetHeuristic(void* handle, void* description, void* a, void* b, void* c, void* d,
                                                void* preference, int asked, Choice* choices, int* found) {
    *found = 0;
    if (!handle) return NOT_INITIALIZED;
    if (asked < 1) return bad("no algorithm is asked for");
    const Layout* layouts[] = {static_cast<Layout*>(a), static_cast<Layout*>(b), static_cast<Layout*>(c),
                               static_cast<Layout*>(d)};
    GeneralProduct product;
    if (const int status = describe_product(*static_cast<Description*>(description), layouts, product)) return status;
    const auto& p = *static_cast<Preference*>(preference);
    memset(choices, 0, sizeof *choices);
    choices->algorithm.mark = MARK;
    choices->algorithm.workspace = p.workspace < NEEDED_WORKSPACE ? 0 : NEEDED_WORKSPACE;
    choices->algorithm.shape = shape_word(product);
    memcpy(choices->algorithm.alignment, p.alignment, sizeof p.alignment);
    choices->workspace = choices->algorithm.workspace;
    choices->waves = 1;
    return *found = 1, DONE;
}

static Result check_operand(const char* which, const void* address, const View& v, uint64_t rows, uint64_t columns,
                            uint64_t batches) {
    const int64_t last = static_cast<int64_t>(rows - 1) * v.row_stride +
                         static_cast<int64_t>(columns - 1) * v.column_stride +
                         static_cast<int64_t>(batches - 1) * v.batch_stride;
    const size_t bytes = static_cast<size_t>(last + 1) * element_bytes(v.type);
    if (is_allocated(reinterpret_cast<uint64_t>(address), bytes)) return OK;
    return failed(ILLEGAL_ADDRESS, std::string("cublasLt: the ") + std::to_string(bytes) + " bytes of operand " +
                                       which + " (" + std::to_string(rows) + " x " + std::to_string(columns) +
                                       ") are in no buffer");
}

STAND_IN_API int cublasLtMatmul(void* handle, void* description, const float* alpha, const void* a, void* la,
                                const void* b, void* lb, const float* beta, const void* c, void* lc, void* d, void* ld,
                                const Algorithm* algorithm, void* workspace, size_t workspace_bytes, void* stream) {
    if (!handle) return NOT_INITIALIZED;
    const Layout* layouts[] = {static_cast<Layout*>(la), static_cast<Layout*>(lb), static_cast<Layout*>(lc),
                               static_cast<Layout*>(ld)};
    GeneralProduct p;
    if (const int status = describe_product(*static_cast<Description*>(description), layouts, p)) return status;
    p.alpha = *alpha;
    p.beta = *beta;
    if (algorithm) {
        if (algorithm->mark != MARK) return bad("an algorithm that the heuristic did not give");
        if (algorithm->shape != shape_word(p)) return bad("an algorithm that was chosen for another product");
        if (algorithm->workspace > workspace_bytes || (algorithm->workspace && !workspace))
            return bad("a workspace that is too small");
        const void* pointers[] = {a, b, c, d};
        for (int i = 0; i < 4; i++)
            if (reinterpret_cast<uintptr_t>(pointers[i]) % algorithm->alignment[i])
                return bad("operand " + std::to_string(i) + " is not aligned to " +
                           std::to_string(algorithm->alignment[i]) + " bytes, which the algorithm was chosen for");
        if (workspace_bytes && workspace && !is_allocated(reinterpret_cast<uint64_t>(workspace), workspace_bytes))
            return bad("a workspace that is in no buffer");
    }
    const Result result = submit(stream, [=] {
        counts.products++;
        if (const Result r = check_operand("a", a, p.a, p.m, p.k, p.batches)) return r;
        if (const Result r = check_operand("b", b, p.b, p.k, p.n, p.batches)) return r;
        if (p.beta != 0)
            if (const Result r = check_operand("c", c, p.c, p.m, p.n, p.batches)) return r;
        if (const Result r = check_operand("d", d, p.d, p.m, p.n, p.batches)) return r;
        multiply(p, a, b, c, d);
        return OK;
    });
    return result == OK ? DONE : EXECUTION_FAILED;
}
