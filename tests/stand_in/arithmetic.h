// Conversions and mathematical functions of device.cuh, and what NVRTC has built in.
#pragma once

inline u32 __float_as_uint(float x) {
    u32 bits;
    memcpy(&bits, &x, 4);
    return bits;
}
inline float __uint_as_float(u32 bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<u32>(bits)); }

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return __uint_as_float(static_cast<u32>(x.bits) << 16); }
// The exponent is re-biased by a product with 2^112, which is exact for subnormal numbers too.
inline float to_float(f16 x) {
    const u32 magnitude = static_cast<u32>(x.bits & 0x7fff) << 13, sign = static_cast<u32>(x.bits & 0x8000) << 16;
    if (magnitude >= 0x0f800000u) return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x007fffffu));
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude) * 0x1p112f));
}

template <class T> inline T from_float(float x);
template <> inline float from_float<float>(float x) { return x; }
template <> inline bf16 from_float<bf16>(float x) {
    const u32 u = __float_as_uint(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
    return {static_cast<u16>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}
template <> inline f16 from_float<f16>(float x) {
    const u32 u = __float_as_uint(x), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return {0x7fff};
    if (magnitude >= 0x477ff000u) return {static_cast<u16>(sign | 0x7c00u)};  // rounds to 2^16 or more
    if (magnitude < 0x38800000u)
        // below 2^-14: the spacing is 2^-24, that of floats near 0.5
        return {static_cast<u16>(sign | (__float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000u))};
    return {static_cast<u16>(sign | ((magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13))};
}

template <class T> inline float2 unpack(u32 word) {
    const T low = {static_cast<u16>(word)}, high = {static_cast<u16>(word >> 16)};
    return make_float2(to_float(low), to_float(high));
}
template <class T> inline u32 pack(float low, float high) {
    return static_cast<u32>(from_float<T>(low).bits) | static_cast<u32>(from_float<T>(high).bits) << 16;
}

inline float fast_exp2(float x) {
    const float y = exp2f(x);
    return y < 0x1p-126f ? 0.0f : y;
}
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float sinpif(float x) { return static_cast<float>(sin(3.14159265358979323846 * x)); }
inline float cospif(float x) { return static_cast<float>(cos(3.14159265358979323846 * x)); }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
#define __expf(x) expf(x)
#define __exp2f(x) exp2f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __powf(x, y) powf(x, y)
#define __sincosf(x, s, c) sincosf(x, s, c)

inline int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline u32 __float2uint_rz(float x) { return static_cast<u32>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(u32 x) { return static_cast<float>(x); }

inline u32 __umulhi(u32 x, u32 y) { return static_cast<u32>(static_cast<u64>(x) * y >> 32); }
inline int __mulhi(int x, int y) { return static_cast<int>(static_cast<i64>(x) * y >> 32); }
inline u64 __umul64hi(u64 x, u64 y) { return static_cast<u64>(static_cast<unsigned __int128>(x) * y >> 64); }
inline int __popc(u32 x) { return __builtin_popcount(x); }
inline int __popcll(u64 x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<u32>(x)) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline u32 __brev(u32 x) {
    u32 y = 0;
    for (int i = 0; i < 32; i++) y |= (x >> i & 1u) << (31 - i);
    return y;
}
inline u32 __funnelshift_l(u32 low, u32 high, u32 shift) {
    return static_cast<u32>(((static_cast<u64>(high) << 32 | low) << (shift & 31)) >> 32);
}
inline u32 __funnelshift_r(u32 low, u32 high, u32 shift) {
    return static_cast<u32>((static_cast<u64>(high) << 32 | low) >> (shift & 31));
}

inline int min(int x, int y) { return y < x ? y : x; }
inline int max(int x, int y) { return x < y ? y : x; }
inline u32 min(u32 x, u32 y) { return y < x ? y : x; }
inline u32 max(u32 x, u32 y) { return x < y ? y : x; }
inline i64 min(i64 x, i64 y) { return y < x ? y : x; }
inline i64 max(i64 x, i64 y) { return x < y ? y : x; }
inline u64 min(u64 x, u64 y) { return y < x ? y : x; }
inline u64 max(u64 x, u64 y) { return x < y ? y : x; }
inline float min(float x, float y) { return fminf(x, y); }
inline float max(float x, float y) { return fmaxf(x, y); }
using std::isfinite;
using std::isinf;
using std::isnan;
