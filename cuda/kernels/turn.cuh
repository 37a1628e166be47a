// Sine and cosine of an angle given as a 32-bit fraction of a full turn.
#pragma once
#include "common.cuh"

// Cosine (x) and sine (y) of 2 pi word / 2^32, to about one unit in the last place. The nearest quarter turn is taken
// off in integers, exactly; the rest x, |x| <= pi / 4, goes through the Taylor series, whose first terms left out are
// below 2^-28 of the results.
__device__ __forceinline__ float2 cosine_sine(u32 word) {
    const u32 quarter = (word + 0x20000000u) >> 30;
    const float x = (float)(int)(word - (quarter << 30)) * 1.46291807926715968e-9f, xx = x * x;
    float s = 1.0f / 362880.0f, c = -1.0f / 3628800.0f;
    s = fmaf(s, xx, -1.0f / 5040.0f);
    s = fmaf(s, xx, 1.0f / 120.0f);
    s = fmaf(s, xx, -1.0f / 6.0f);
    s = fmaf(s * xx, x, x);
    c = fmaf(c, xx, 1.0f / 40320.0f);
    c = fmaf(c, xx, -1.0f / 720.0f);
    c = fmaf(c, xx, 1.0f / 24.0f);
    c = fmaf(c, xx, -0.5f);
    c = fmaf(c, xx, 1.0f);
    const float a = quarter & 1u ? s : c, b = quarter & 1u ? c : s;
    return make_float2((quarter + 1u) & 2u ? -a : a, quarter & 2u ? -b : b);
}
