// Rotary embedding: pair (2i, 2i+1) of a head turns by position theta^(-2i/d), the position of row r being
// r % context + offset.
//
// The angle in turns is position f_i with f_i = theta^(-2i/d) / (2 pi), formed in double precision: its fraction is
// what counts, and at positions near 10^6 that is still right to 2^-32 of a turn. A block keeps the cosines and sines
// of its rows in shared memory, where all heads read them.
#include "pack.cuh"
#include "turn.cuh"

// x (n,m): the first `turned` columns are turned, the others copied. `stretch` rows a block; sign -1 turns back.
// Shared memory: d / 2 doubles and stretch d / 2 pairs of floats.
KERNEL(256, rotary)
(S* out, const S* x, double log2_theta, u32 rows, u32 columns, u32 turned, u32 head, u32 context, u32 offset,
 float sign, u32 stretch, u32 wide) {
    SHARED_MEMORY(memory);
    const u32 half = head / 2;
    double* frequencies = reinterpret_cast<double*>(memory);
    float2* angles = reinterpret_cast<float2*>(frequencies + half);
    for (u32 i = threadIdx.x; i < half; i += blockDim.x) {
        frequencies[i] = exp2(-(double)(2 * i) / (double)head * log2_theta) * 0.15915494309189533577;
    }
    __syncthreads();
    const u64 start = (u64)blockIdx.x * stretch;
    const u32 here = rows - start < stretch ? (u32)(rows - start) : stretch;
    for (u32 e = threadIdx.x; e < here * half; e += blockDim.x) {
        const u32 position = (u32)((start + e / half) % context) + offset;
        const double turns = (double)position * frequencies[e % half];
        const u32 word = (u32)(u64)((turns - floor(turns)) * 4294967296.0 + 0.5);
        const float2 angle = cosine_sine(word);
        angles[e] = make_float2(angle.x, sign * angle.y);
    }
    __syncthreads();
    x += start * columns;
    out += start * columns;
    if (wide) {
        const u32 runs = columns / 8;
        for (u32 e = threadIdx.x; e < here * runs; e += blockDim.x) {
            const u32 row = e / runs, column = e % runs * 8;
            const u64 at = (u64)row * columns + column;
            float v[8];
            read(x + at, v);
            if (column < turned) {
                const float2* angle = angles + row * half + column % head / 2;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const float a = v[2 * i], b = v[2 * i + 1];
                    v[2 * i] = a * angle[i].x - b * angle[i].y;
                    v[2 * i + 1] = a * angle[i].y + b * angle[i].x;
                }
            }
            write(out + at, v);
        }
        return;
    }
    const u32 pairs = turned / 2, rest = columns - turned;
    for (u32 e = threadIdx.x; e < here * pairs; e += blockDim.x) {
        const u32 row = e / pairs, pair = e % pairs;
        const u64 at = (u64)row * columns + 2 * pair;
        const float2 angle = angles[row * half + pair % half];
        const float a = to_float(x[at]), b = to_float(x[at + 1]);
        out[at] = from_float<S>(a * angle.x - b * angle.y);
        out[at + 1] = from_float<S>(a * angle.y + b * angle.x);
    }
    for (u32 e = threadIdx.x; e < here * rest; e += blockDim.x) {
        const u64 at = (u64)(e / rest) * columns + turned + e % rest;
        out[at] = x[at];
    }
}
