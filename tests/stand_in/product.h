// A matrix product over strided views.
#pragma once
#include <cstddef>
#include <cstdint>

namespace stand_in {

// cudaDataType and cublasComputeType
constexpr int REAL_F32 = 0, REAL_F16 = 2, REAL_BF16 = 14;
constexpr int COMPUTE_F32 = 68, COMPUTE_F32_PEDANTIC = 69, COMPUTE_TF32 = 77;

struct View {
    int type;
    int64_t row_stride, column_stride, batch_stride;
};

// d = alpha a b + beta c with a (m,k), b (k,n); c is not read if beta is 0. With `tf32` the operands are rounded to 10
// bits of mantissa.
struct GeneralProduct {
    uint64_t m, n, k, batches;
    View a, b, c, d;
    float alpha, beta;
    bool tf32;
};

// 0 for types that are not known.
size_t element_bytes(int type);

// Sums of 64 products are single precision, their sums double: the order is fixed.
void multiply(const GeneralProduct& p, const void* a, const void* b, const void* c, void* d);

}  // namespace stand_in
