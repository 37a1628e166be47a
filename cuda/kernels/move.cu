// Movement of elements without arithmetic. A unit U is an element, or 16 bytes of a row where all widths and addresses
// allow it; widths are counted in units. A thread moves one unit; indices of units have 64 bits.
#include "common.cuh"

// 16 bytes of elements as they lie in memory.
typedef uint4 Quad;

__device__ __forceinline__ void zero(Quad& q) { q = make_uint4(0, 0, 0, 0); }
__device__ __forceinline__ void zero(S& s) { s = from_float<S>(0.0f); }

// Quotient and remainder; 64-bit division only where it is needed.
__device__ __forceinline__ void divide(u64 at, u32 width, u64& row, u32& column) {
    if (at >> 32) {
        row = at / width;
        column = static_cast<u32>(at % width);
    } else {
        const u32 low = static_cast<u32>(at), quotient = low / width;
        row = quotient;
        column = low - quotient * width;
    }
}

// out[i, .] = a[index[i], .]; a zero row where index[i] is no row of a.
template <class U>
__device__ __forceinline__ void gather(U* out, const U* a, const u32* index, u64 count, u32 rows, u32 width) {
    const u64 at = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (at >= count) return;
    u64 i;
    u32 column;
    divide(at, width, i, column);
    const u32 row = index[i];
    U value;
    zero(value);
    if (row < rows) value = a[static_cast<u64>(row) * width + column];
    out[at] = value;
}
KERNEL(256, gather)(S* out, const S* a, const u32* index, u64 count, u32 rows, u32 width) {
    gather(out, a, index, count, rows, width);
}
KERNEL(256, gather_quads)(Quad* out, const Quad* a, const u32* index, u64 count, u32 rows, u32 width) {
    gather(out, a, index, count, rows, width);
}

// out[i, j] = a[i, j - shift], zero where a has no such column: slices (shift < 0) and padding (shift >= 0).
template <class U>
__device__ __forceinline__ void shift_columns(U* out, const U* a, u64 count, u32 width, u32 source, int shift) {
    const u64 at = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (at >= count) return;
    u64 row;
    u32 to;
    divide(at, width, row, to);
    const i64 column = static_cast<i64>(to) - shift;
    U value;
    zero(value);
    if (column >= 0 && column < source) value = a[row * source + column];
    out[at] = value;
}
KERNEL(256, shift)(S* out, const S* a, u64 count, u32 width, u32 source, int by) {
    shift_columns(out, a, count, width, source, by);
}
KERNEL(256, shift_quads)(Quad* out, const Quad* a, u64 count, u32 width, u32 source, int by) {
    shift_columns(out, a, count, width, source, by);
}

// out[i, j] = 1 where j = index[i], else 0.
KERNEL(256, one_hot)(float* out, const u32* index, u64 count, u32 columns) {
    const u64 at = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (at >= count) return;
    u64 row;
    u32 column;
    divide(at, columns, row, column);
    out[at] = index[row] == column ? 1.0f : 0.0f;
}

KERNEL(256, fill)(float* out, u64 count, float value) {
    const u64 at = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (at < count) out[at] = value;
}
