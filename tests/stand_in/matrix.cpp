// Matrix instructions, asynchronous copies and the sanitizer's findings, see device.cuh and threads.h.
#include "device.cuh"

namespace stand_in {
namespace {

template <class T> void multiply(const uint64_t* lanes) {
    float a[16][16], b[16][8], d[16][8];
    const auto of = [&](int lane) { return reinterpret_cast<const Fragments*>(lanes[lane]); };
    for (int lane = 0; lane < 32; lane++) {
        const Fragments& f = *of(lane);
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++) {
            const float2 pair = unpack<T>(f.a[i]);
            a[g + i % 2 * 8][2 * t + i / 2 * 8] = pair.x;
            a[g + i % 2 * 8][2 * t + i / 2 * 8 + 1] = pair.y;
            d[g + i / 2 * 8][2 * t + i % 2] = f.d[i];
        }
        for (int i = 0; i < 2; i++) {
            const float2 pair = unpack<T>(f.b[i]);
            b[2 * t + i * 8][g] = pair.x;
            b[2 * t + i * 8 + 1][g] = pair.y;
        }
    }
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 16; k++)
            for (int j = 0; j < 8; j++) d[i][j] += a[i][k] * b[k][j];
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) of(lane)->d[i] = d[lane / 4 + i / 2 * 8][2 * (lane % 4) + i % 2];
}

}  // namespace

void mma_f16(const uint64_t* lanes) { multiply<f16>(lanes); }
void mma_bf16(const uint64_t* lanes) { multiply<bf16>(lanes); }

void load_rows(const uint64_t* lanes, int matrices, bool transpose) {
    u16 rows[32][8];
    for (int i = 0; i < 8 * matrices; i++) memcpy(rows[i], reinterpret_cast<const Rows*>(lanes[i])->row, 16);
    for (int lane = 0; lane < 32; lane++)
        for (int m = 0; m < matrices; m++) {
            const int i = lane / 4, j = 2 * (lane % 4);
            const u16 low = transpose ? rows[8 * m + j][i] : rows[8 * m + i][j];
            const u16 high = transpose ? rows[8 * m + j + 1][i] : rows[8 * m + i][j + 1];
            reinterpret_cast<const Rows*>(lanes[lane])->out[m] = static_cast<u32>(low) | static_cast<u32>(high) << 16;
        }
}

void copy_start(void* shared, const void* global, bool valid) {
    if (reinterpret_cast<uintptr_t>(shared) & 15) fail("copy_async16: the destination is not aligned to 16 bytes");
    if (valid && reinterpret_cast<uintptr_t>(global) & 15) fail("copy_async16: the source is not aligned to 16 bytes");
    if (!is_shared(shared, 16)) fail("copy_async16: the destination does not lie in shared memory");
    // whoever reads too early, or still reads what was there, gets not-a-number
    memset(shared, 0xFF, 16);
    current->copies.push_back({shared, global, current->group, valid});
}

void copy_finish(unsigned groups_left) {
    auto& copies = current->copies;
    size_t kept = 0;
    for (size_t i = 0; i < copies.size(); i++) {
        const Copy& c = copies[i];
        if (c.group + groups_left >= current->group) {
            copies[kept++] = c;
        } else if (c.valid) {
            memcpy(c.shared, c.global, 16);
        } else {
            memset(c.shared, 0, 16);
        }
    }
    copies.resize(kept);
}

}  // namespace stand_in

// Kernels are compiled with checks of alignment and of array bounds (-fsanitize=alignment,bounds), which call these.
struct StandInPlace {
    const char* file;
    u32 line, column;
};

extern "C" void __ubsan_handle_type_mismatch_v1(const StandInPlace* place, uintptr_t address) {
    if (!stand_in::current) return;
    stand_in::fail("%s:%u: address %p is not aligned as its type requires", place->file, place->line,
                   reinterpret_cast<void*>(address));
}
extern "C" void __ubsan_handle_out_of_bounds(const StandInPlace* place, uintptr_t index) {
    if (!stand_in::current) return;
    stand_in::fail("%s:%u: index %lld is out of the array's bounds", place->file, place->line,
                   static_cast<long long>(index));
}
