# cython: language_level=3
"""Products of row-major matrices for kernels that hold pointers; see _blas.pyx. Each returns 0, or 1 and does nothing
where a dimension or a row's length is beyond what BLAS counts with."""

cdef int row_dgemm(bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
                   const double *a, Py_ssize_t lda, const double *b, Py_ssize_t ldb, double beta, double *c,
                   Py_ssize_t ldc) noexcept nogil

cdef int row_sgemm(bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, float alpha,
                   const float *a, Py_ssize_t lda, const float *b, Py_ssize_t ldb, float beta, float *c,
                   Py_ssize_t ldc) noexcept nogil

cdef int row_dsyrk(bint transpose, Py_ssize_t n, Py_ssize_t k, double alpha, const double *a, Py_ssize_t lda,
                   double beta, double *c, Py_ssize_t ldc) noexcept nogil
