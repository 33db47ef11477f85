# cython: language_level=3
"""Products of row-major matrices for kernels that hold pointers; see _blas.pyx. Each returns 0, or 1 and does nothing
where a dimension or a row's length is beyond what BLAS counts with."""

ctypedef fused real:
    double
    float

cdef int row_gemm(bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, real alpha,
                  const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb, real beta, real *c,
                  Py_ssize_t ldc) noexcept nogil

cdef int row_dgemv(bint transpose, Py_ssize_t m, Py_ssize_t n, double alpha, const double *a, Py_ssize_t lda,
                   const double *x, double beta, double *y) noexcept nogil

cdef int row_dsyrk(bint transpose, bint lower, Py_ssize_t n, Py_ssize_t k, double alpha, const double *a,
                   Py_ssize_t lda, double beta, double *c, Py_ssize_t ldc) noexcept nogil
