// Banded contractions, of which the composed definition of attention is made; f32. Head h of row t (position
// t % context of its sequence) meets slot j: row t - j of the same sequence, key head h / (H / K).
#include "pack.cuh"

struct Band {
    u32 context, heads, kv_heads, head, slots;
};

// s[t,h,j] = q[t,h] . k[t-j,h'], 0 where t - j leaves the sequence; one thread an element.
KERNEL(256, window_scores)(float* out, const float* q, const float* k, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u32 j = (u32)(at % b.slots), h = (u32)(at / b.slots % b.heads);
        const u64 row = at / b.slots / b.heads;
        float sum = 0.0f;
        if (j <= row % b.context) {
            const float* left = q + (row * b.heads + h) * b.head;
            const float* right = k + ((row - j) * b.kv_heads + h / (b.heads / b.kv_heads)) * b.head;
            for (u32 i = 0; i < b.head; i++) sum = fmaf(left[i], right[i], sum);
        }
        out[at] = sum;
    });
}

// o[t,h] = sum_j s[t,h,j] v[t-j,h'].
KERNEL(256, window_mix)(float* out, const float* s, const float* v, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u32 i = (u32)(at % b.head), h = (u32)(at / b.head % b.heads);
        const u64 row = at / b.head / b.heads;
        const u32 reach = (u32)(row % b.context) + 1, most = reach < b.slots ? reach : b.slots;
        const float* weight = s + (row * b.heads + h) * b.slots;
        float sum = 0.0f;
        for (u32 j = 0; j < most; j++) {
            sum = fmaf(weight[j], v[((row - j) * b.kv_heads + h / (b.heads / b.kv_heads)) * b.head + i], sum);
        }
        out[at] = sum;
    });
}

// g[u,k] = sum over the heads h of key head k and over j of s[u+j,h,j] q[u+j,h].
KERNEL(256, window_scatter)(float* out, const float* s, const float* q, Band b, u64 count) {
    flat(count, false, [=](auto, u64 at) {
        const u32 i = (u32)(at % b.head), key = (u32)(at / b.head % b.kv_heads), share = b.heads / b.kv_heads;
        const u64 row = at / b.head / b.kv_heads;
        const u32 reach = b.context - (u32)(row % b.context), most = reach < b.slots ? reach : b.slots;
        float sum = 0.0f;
        for (u32 h = key * share; h < (key + 1) * share; h++) {
            for (u32 j = 0; j < most; j++) {
                const u64 from = (row + j) * b.heads + h;
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
        out[at] = j <= t && t - j >= start ? 0.0f : -1e30f;
    });
}
