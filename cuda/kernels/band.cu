// Banded contractions, of which the composed definition of attention is made; f32. Head h of row t (position
// t % context of its sequence) meets slot j: row t + ahead - j of the same sequence, key head h / (H / K).
#include "pack.cuh"
#include "relations.cuh"

struct Band {
    u32 context, heads, kv_heads, head, slots, ahead;

    // Slots first .. end of position t meet rows of its sequence.
    __device__ __forceinline__ u32 first(u32 t) const {
        const u32 behind = context - 1 - t;
        return ahead > behind ? ahead - behind : 0;
    }
    __device__ __forceinline__ u32 end(u32 t) const {
        const u32 reach = t + ahead + 1;
        return reach < slots ? reach : slots;
    }
    __device__ __forceinline__ bool meets(u32 t, u32 slot) const { return slot >= first(t) && slot < end(t); }
};

// s[t,h,j] = q[t,h] . k[t+ahead-j,h'], 0 where the row leaves the sequence; one thread an element.
KERNEL(256, window_scores)(float* out, const float* q, const float* k, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u32 j = (u32)(at % b.slots), h = (u32)(at / b.slots % b.heads);
        const u64 row = at / b.slots / b.heads;
        float sum = 0.0f;
        if (b.meets((u32)(row % b.context), j)) {
            const float* left = q + (row * b.heads + h) * b.head;
            const float* right = k + ((row + b.ahead - j) * b.kv_heads + h / (b.heads / b.kv_heads)) * b.head;
            for (u32 i = 0; i < b.head; i++) sum = fmaf(left[i], right[i], sum);
        }
        out[at] = sum;
    });
}

// o[t,h] = sum_j s[t,h,j] v[t+ahead-j,h'].
KERNEL(256, window_mix)(float* out, const float* s, const float* v, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u32 i = (u32)(at % b.head), h = (u32)(at / b.head % b.heads);
        const u64 row = at / b.head / b.heads;
        const u32 t = (u32)(row % b.context), end = b.end(t);
        const float* weight = s + (row * b.heads + h) * b.slots;
        float sum = 0.0f;
        for (u32 j = b.first(t); j < end; j++) {
            const u64 from = (row + b.ahead - j) * b.kv_heads + h / (b.heads / b.kv_heads);
            sum = fmaf(weight[j], v[from * b.head + i], sum);
        }
        out[at] = sum;
    });
}

// g[u,k] = sum over the heads h of key head k and over j of s[t,h,j] q[t,h], with t = u - ahead + j.
KERNEL(256, window_scatter)(float* out, const float* s, const float* q, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u32 i = (u32)(at % b.head), key = (u32)(at / b.head % b.kv_heads), share = b.heads / b.kv_heads;
        const u64 row = at / b.head / b.kv_heads;
        const u32 u = (u32)(row % b.context), reach = b.context - u + b.ahead;
        const u32 first = b.ahead > u ? b.ahead - u : 0, end = reach < b.slots ? reach : b.slots;
        float sum = 0.0f;
        for (u32 h = key * share; h < (key + 1) * share; h++) {
            for (u32 j = first; j < end; j++) {
                const u64 from = (row + j - b.ahead) * b.heads + h;
                sum = fmaf(s[from * b.slots + j], q[from * b.head + i], sum);
            }
        }
        out[at] = sum;
    });
}

// 0 where slot j of row t exists and is not before starts[t] (0 without starts), else -1e30.
KERNEL(256, window_mask)(float* out, const u32* starts, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u64 row = at / b.slots / b.heads;
        const u32 j = (u32)(at % b.slots), t = (u32)(row % b.context), start = starts ? starts[row] : 0;
        out[at] = b.meets(t, j) && t + b.ahead - j >= start ? 0.0f : -1e30f;
    });
}

// bias[class of t and t+ahead-j, h], 0 where the row leaves the sequence.
KERNEL(256, relation_bias)(float* out, Relations r, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u32 j = (u32)(at % b.slots), h = (u32)(at / b.slots % b.heads);
        const u32 t = (u32)(at / b.slots / b.heads % b.context);
        u32 known = r.count;
        if (b.meets(t, j)) known = r.of(t)[t + b.ahead - j];
        out[at] = known < r.count ? r.bias[u64(known) * b.heads + h] : 0.0f;
    });
}

// Sums of s (n, H slots) by class and head over a chunk of rows, to a row of partial (chunks, classes H). A block has
// one head, and at most `most` classes.
KERNEL(128, relation_sums)
(float* partial, const float* s, Relations r, Band b, u32 rows, u32 chunk, u32 most) {
    SHARED_MEMORY(shared);
    const u32 head = blockIdx.x % b.heads, at = blockIdx.x / b.heads, start = at * chunk;
    const u32 here = rows - start < chunk ? rows - start : chunk;
    const ClassSums sums(true, r, most, reinterpret_cast<float*>(shared));
    const u64 count = (u64)here * b.slots;
    for (u64 i = threadIdx.x; i < count; i += blockDim.x) {
        const u64 row = start + i / b.slots;
        const u32 j = (u32)(i % b.slots), t = (u32)(row % b.context);
        if (b.meets(t, j)) sums.add(r.of(t)[t + b.ahead - j], s[(row * b.heads + head) * b.slots + j]);
    }
    sums.write(partial + (u64)at * r.count * b.heads, b.heads, head);
}
