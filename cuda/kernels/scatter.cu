// out[index[i]] += a[i] with a fixed order of additions.
//
// Few rows a target: `scatter_link` strings the rows of every target on a list (head[t] and next[i] are one more than a
// row, 0 ends a list). The order of a list depends on the race of its writers, so a reader takes the rows in rising
// order: it walks the list and keeps the 32 lowest ones above the last row taken, one in each lane.
//
// Many rows a target: the rows are sorted by target first (see the sorting kernels). The sorted sequence is cut into
// pieces of PIECE rows; `scatter_pieces` adds up each run of equal targets inside a piece. A run that lies in one piece
// is stored at once; the parts of the others go to partial[piece, 0] (the run came from the piece before) or
// partial[piece, 1] (it began here and goes on), and `scatter_join` adds the parts of such a run in order.
#include "common.cuh"

static constexpr u32 PIECE = 64;
static constexpr int WIDE = 16 / sizeof(S); // elements in 16 bytes
static constexpr u32 NONE = 0xffffffffu;

template <int N> struct Chunk {
    float v[N];
};

// N is 1 or WIDE.
template <int N> __device__ __forceinline__ Chunk<N> get(const S* p) {
    Chunk<N> c;
    if constexpr (N == 1) {
        c.v[0] = to_float(*p);
    } else {
        const uint4 q = *reinterpret_cast<const uint4*>(p);
        const u32 w[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
#if defined(STORAGE_BF16) || defined(STORAGE_F16)
            const float2 pair = unpack<S>(w[i]);
            c.v[2 * i] = pair.x;
            c.v[2 * i + 1] = pair.y;
#else
            c.v[i] = __uint_as_float(w[i]);
#endif
        }
    }
    return c;
}
template <int N> __device__ __forceinline__ void put(S* p, const Chunk<N>& c) {
    if constexpr (N == 1) {
        *p = from_float<S>(c.v[0]);
    } else {
#if defined(STORAGE_BF16) || defined(STORAGE_F16)
        const u32 low = pack<S>(c.v[0], c.v[1]), high = pack<S>(c.v[2], c.v[3]);
        *reinterpret_cast<uint4*>(p) = make_uint4(low, high, pack<S>(c.v[4], c.v[5]), pack<S>(c.v[6], c.v[7]));
#else
        *reinterpret_cast<float4*>(p) = make_float4(c.v[0], c.v[1], c.v[2], c.v[3]);
#endif
    }
}
template <int N> __device__ __forceinline__ void add(Chunk<N>& sum, const Chunk<N>& c) {
#pragma unroll
    for (int i = 0; i < N; i++) sum.v[i] += c.v[i];
}

KERNEL(256, scatter_link)(u32* head, u32* next, const u32* index, u32 n, u32 rows) {
    const u32 i = blockIdx.x * 256 + threadIdx.x;
    if (i < n && index[i] < rows) next[i] = atomicExch(&head[index[i]], i + 1);
}

// Lane l gets the row of rank l among the rows of a list from `least` on, NONE if there are fewer; `more`: there are
// others.
__device__ __forceinline__ u32 lowest(u32 head, const u32* next, u32 least, u32 lane, bool& more) {
    u32 mine = NONE, count = 0;
    for (u32 link = head; link != 0; link = next[link - 1]) {
        const u32 row = link - 1;
        if (row < least) continue;
        count++;
        // rows are distinct and kept in rising order: insert and let the highest fall out
        const u32 rank = __popc(__ballot_sync(ALL_LANES, mine < row)), left = __shfl_up_sync(ALL_LANES, mine, 1);
        if (lane == rank) mine = row;
        if (lane > rank) mine = left;
    }
    more = count > 32;
    return mine;
}

// A warp a target, `columns` of them a multiple of N.
template <int N>
__device__ __forceinline__ void scatter(S* out, const S* a, const u32* head, const u32* next, u32 rows, u32 columns) {
    const u32 lane = threadIdx.x & 31, target = blockIdx.x * 4 + (threadIdx.x >> 5);
    if (target >= rows) return;
    const u32 list = head[target];
    bool more;
    const u32 first = lowest(list, next, 0, lane, more);
    for (u32 base = 0; base < columns; base += 32 * N) {
        const u32 column = base + lane * N;
        Chunk<N> sum = {};
        u32 batch = first;
        bool again = more;
        for (;;) {
            const u32 count = __popc(__ballot_sync(ALL_LANES, batch != NONE));
            for (u32 k = 0; k < count; k++) {
                const u32 row = __shfl_sync(ALL_LANES, batch, k);
                if (column < columns) add(sum, get<N>(a + static_cast<u64>(row) * columns + column));
            }
            if (!again) break;
            batch = lowest(list, next, __shfl_sync(ALL_LANES, batch, 31) + 1, lane, again);
        }
        if (column < columns) put(out + static_cast<u64>(target) * columns + column, sum);
    }
}
KERNEL(128, scatter_rows)(S* out, const S* a, const u32* head, const u32* next, u32 rows, u32 columns) {
    scatter<1>(out, a, head, next, rows, columns);
}
KERNEL(128, scatter_rows_wide)(S* out, const S* a, const u32* head, const u32* next, u32 rows, u32 columns) {
    scatter<WIDE>(out, a, head, next, rows, columns);
}

// A thread an element, for narrow matrices: repeats "the lowest row above the last one".
KERNEL(256, scatter_narrow)(S* out, const S* a, const u32* head, const u32* next, u32 rows, u32 columns) {
    const u64 at = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (at >= static_cast<u64>(rows) * columns) return;
    // 64-bit division only where it is needed
    const u32 target = static_cast<u32>(at >> 32 ? at / columns : static_cast<u32>(at) / columns);
    const u32 list = head[target], column = static_cast<u32>(at - static_cast<u64>(target) * columns);
    float sum = 0.0f;
    for (u32 least = 0;;) {
        u32 row = NONE, left = 0;
        for (u32 link = list; link != 0; link = next[link - 1]) {
            if (link - 1 < least) continue;
            left++;
            if (link - 1 < row) row = link - 1;
        }
        if (row != NONE) sum += to_float(a[static_cast<u64>(row) * columns + column]);
        if (left <= 1) break;
        least = row + 1;
    }
    out[at] = from_float<S>(sum);
}

// A run's sum to its target, by the one thread that has it.
template <int N>
__device__ __forceinline__ void emit(void* out, u32 target, u32 rows, u32 columns, u32 column, u32 collect,
                                     const Chunk<N>& sum) {
    if (target >= rows) return;
    const u64 at = static_cast<u64>(target) * columns + column;
    if (collect) {
        float* const slot = static_cast<float*>(out) + at;
#pragma unroll
        for (int i = 0; i < N; i++) slot[i] += sum.v[i];
    } else {
        put(static_cast<S*>(out) + at, sum);
    }
}

// Block (piece, columns 128 N y ..). keys and order are the sorted targets and their rows. `collect`: out is single
// precision and added to; else it is of type S and stored.
template <int N>
__device__ __forceinline__ void pieces(void* out, float* partial, const S* a, const u32* keys, const u32* order, u32 n,
                                       u32 rows, u32 columns, u32 collect) {
    constexpr u32 AHEAD = 8;
    __shared__ u32 key[PIECE], row[PIECE];
    const u32 first = blockIdx.x * PIECE, count = n - first < PIECE ? n - first : PIECE;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        key[i] = keys[first + i];
        row[i] = order[first + i];
    }
    __syncthreads();
    const u32 column = (blockIdx.y * blockDim.x + threadIdx.x) * N;
    if (column >= columns) return;
    const bool came = first > 0 && keys[first - 1] == key[0];
    const bool goes = first + count < n && keys[first + count] == key[count - 1];
    float* const parts = partial + static_cast<u64>(blockIdx.x) * 2 * columns + column;
    Chunk<N> sum = {};
    bool inner = !came; // whether the run at hand began in this piece
    for (u32 base = 0; base < count; base += AHEAD) {
        Chunk<N> ahead[AHEAD];
#pragma unroll
        for (u32 k = 0; k < AHEAD; k++) {
            if (base + k < count) ahead[k] = get<N>(a + static_cast<u64>(row[base + k]) * columns + column);
        }
#pragma unroll
        for (u32 k = 0; k < AHEAD; k++) {
            const u32 i = base + k;
            if (i >= count) break;
            add(sum, ahead[k]);
            const bool last = i + 1 == count;
            if (!last && key[i + 1] == key[i]) continue;
            if (inner && !(last && goes)) {
                emit<N>(out, key[i], rows, columns, column, collect, sum);
            } else {
                float* const part = parts + (inner ? columns : 0);
#pragma unroll
                for (int c = 0; c < N; c++) part[c] = sum.v[c];
            }
            inner = true;
            sum = Chunk<N>{};
        }
    }
}
KERNEL(128, scatter_pieces)(void* out, float* partial, const S* a, const u32* keys, const u32* order, u32 n, u32 rows,
                            u32 columns, u32 collect) {
    pieces<1>(out, partial, a, keys, order, n, rows, columns, collect);
}
KERNEL(128, scatter_pieces_wide)(void* out, float* partial, const S* a, const u32* keys, const u32* order, u32 n,
                                 u32 rows, u32 columns, u32 collect) {
    pieces<WIDE>(out, partial, a, keys, order, n, rows, columns, collect);
}

// Block (piece, columns 128 y ..): the run that begins in this piece and goes on to the next, if there is one.
KERNEL(128, scatter_join)(void* out, const float* partial, const u32* keys, u32 n, u32 rows, u32 columns, u32 collect) {
    const u32 first = blockIdx.x * PIECE, end = first + PIECE, column = blockIdx.y * blockDim.x + threadIdx.x;
    if (column >= columns || end >= n) return;
    const u32 key = keys[end - 1];
    if (keys[end] != key || (first > 0 && keys[first - 1] == key)) return;
    // the run's last row by bisection: keys[low] == key, keys[high] > key
    u32 low = end, high = n;
    while (high - low > 1) {
        const u32 middle = low + (high - low) / 2;
        if (keys[middle] == key) low = middle;
        else high = middle;
    }
    const u32 last = low / PIECE;
    Chunk<1> sum = {partial[(static_cast<u64>(blockIdx.x) * 2 + 1) * columns + column]};
#pragma unroll 8
    for (u32 piece = blockIdx.x + 1; piece <= last; piece++) {
        sum.v[0] += partial[static_cast<u64>(piece) * 2 * columns + column];
    }
    emit<1>(out, key, rows, columns, column, collect, sum);
}
