// See product.h.
#include "product.h"

#include <algorithm>
#include <vector>

#include "device.cuh"

namespace stand_in {
namespace {

float read(int type, const void* data, int64_t at) {
    if (type == REAL_F32) return static_cast<const float*>(data)[at];
    if (type == REAL_F16) return to_float(static_cast<const f16*>(data)[at]);
    return to_float(static_cast<const bf16*>(data)[at]);
}

void write(int type, void* data, int64_t at, float value) {
    if (type == REAL_F32) {
        static_cast<float*>(data)[at] = value;
    } else if (type == REAL_F16) {
        static_cast<f16*>(data)[at] = from_float<f16>(value);
    } else {
        static_cast<bf16*>(data)[at] = from_float<bf16>(value);
    }
}

// To the nearest number with 10 bits of mantissa, ties away from zero, as the conversion of tensor cores rounds.
float round_tf32(float x) {
    const u32 bits = __float_as_uint(x);
    return (bits & 0x7f800000u) == 0x7f800000u ? x : __uint_as_float((bits + 0x1000u) & ~0x1fffu);
}

// A view as a dense row-major matrix of floats.
std::vector<float> dense(const View& v, const void* data, uint64_t batch, uint64_t rows, uint64_t columns, bool tf32) {
    std::vector<float> out(rows * columns);
    const int64_t start = static_cast<int64_t>(batch) * v.batch_stride;
    for (uint64_t i = 0; i < rows; i++)
        for (uint64_t j = 0; j < columns; j++) {
            const float x =
                read(v.type, data,
                     start + static_cast<int64_t>(i) * v.row_stride + static_cast<int64_t>(j) * v.column_stride);
            out[i * columns + j] = tf32 ? round_tf32(x) : x;
        }
    return out;
}

}  // namespace

size_t element_bytes(int type) { return type == REAL_F32 ? 4 : type == REAL_F16 || type == REAL_BF16 ? 2 : 0; }

void multiply(const GeneralProduct& p, const void* a, const void* b, const void* c, void* d) {
    constexpr uint64_t RUN = 64;
    std::vector<float> part(p.n);
    std::vector<double> sum(p.n);
    for (uint64_t batch = 0; batch < p.batches; batch++) {
        const std::vector<float> x = dense(p.a, a, batch, p.m, p.k, p.tf32), y = dense(p.b, b, batch, p.k, p.n, p.tf32);
        for (uint64_t i = 0; i < p.m; i++) {
            std::fill(sum.begin(), sum.end(), 0.0);
            for (uint64_t from = 0; from < p.k; from += RUN) {
                std::fill(part.begin(), part.end(), 0.0f);
                for (uint64_t k = from; k < p.k && k < from + RUN; k++) {
                    const float factor = x[i * p.k + k];
                    const float* row = &y[k * p.n];
                    for (uint64_t j = 0; j < p.n; j++) part[j] += factor * row[j];
                }
                for (uint64_t j = 0; j < p.n; j++) sum[j] += part[j];
            }
            const auto place = [&](const View& v, uint64_t j) {
                return static_cast<int64_t>(batch) * v.batch_stride + static_cast<int64_t>(i) * v.row_stride +
                       static_cast<int64_t>(j) * v.column_stride;
            };
            for (uint64_t j = 0; j < p.n; j++) {
                const float old = p.beta != 0 ? p.beta * read(p.c.type, c, place(p.c, j)) : 0.0f;
                write(p.d.type, d, place(p.d, j), p.alpha * static_cast<float>(sum[j]) + old);
            }
        }
    }
}

}  // namespace stand_in
