# cython: language_level=3
"""The one place that calls BLAS: products of row-major matrices through SciPy's, without the GIL.

a.  Formulas. dgemm, sgemm: C = alpha op(A) op(B) + beta C, op(A) (m, k), op(B) (k, n), C (m, n); dsyrk: the upper
    triangle of C = alpha op(A) op(A)^T + beta C, op(A) (n, k). 2 m n k and n^2 k flops.
b.  Words. BLAS counts by columns: a row-major matrix is its transpose there, so C^T = op(B)^T op(A)^T is asked for.
    Rows are adjacent numbers; whole rows may lie apart (a block of a larger matrix).
c.  Guards. BLAS counts with int: a dimension or a distance of rows above 2^31 - 1 is refused. Without rows or columns
    nothing is done; without terms (k = 0) C = beta C, and beta = 0 writes zeros over anything, NaN included.
d.  The order of the sums is BLAS's. Integers whose sums of absolute products stay below 2^53 are exact in any order.
e.  Threads are BLAS's too: callers hold them to one (`fastminima.system.threads`).
"""

from libc.limits cimport INT_MAX
from scipy.linalg.cython_blas cimport dgemm as blas_dgemm
from scipy.linalg.cython_blas cimport dgemv as blas_dgemv
from scipy.linalg.cython_blas cimport dsyrk as blas_dsyrk
from scipy.linalg.cython_blas cimport sgemm as blas_sgemm

# the largest dimension that is passed on
LARGEST = INT_MAX


cdef void scale_rows(Py_ssize_t m, Py_ssize_t n, real beta, real *c, Py_ssize_t ldc, int part) noexcept nogil:
    """All of it (part 0), or the upper (1) or the lower (-1) triangle."""
    cdef Py_ssize_t i, j
    for i in range(m):
        for j in range(i if part == 1 else 0, i + 1 if part == -1 else n):
            c[i * ldc + j] = 0 if beta == 0 else beta * c[i * ldc + j]


cdef int row_gemm(bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, real alpha,
                  const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb, real beta, real *c,
                  Py_ssize_t ldc) noexcept nogil:
    cdef int rows, columns, terms, step_a, step_b, step_c
    cdef char first = b'T' if transpose_b else b'N', second = b'T' if transpose_a else b'N'
    if m <= 0 or n <= 0:
        return 0
    if k <= 0:
        scale_rows(m, n, beta, c, ldc, 0)
        return 0
    if max(m, n, k) > INT_MAX or max(lda, ldb, ldc) > INT_MAX:
        return 1
    rows, columns, terms, step_a, step_b, step_c = <int>m, <int>n, <int>k, <int>lda, <int>ldb, <int>ldc
    if real is double:
        blas_dgemm(&first, &second, &columns, &rows, &terms, &alpha, <double *>b, &step_b, <double *>a, &step_a, &beta,
                   c, &step_c)
    else:
        blas_sgemm(&first, &second, &columns, &rows, &terms, &alpha, <float *>b, &step_b, <float *>a, &step_a, &beta,
                   c, &step_c)
    return 0


cdef int row_dgemv(bint transpose, Py_ssize_t m, Py_ssize_t n, double alpha, const double *a, Py_ssize_t lda,
                   const double *x, double beta, double *y) noexcept nogil:
    """y = alpha op(A) x + beta y for A (m, n)."""
    cdef int rows, columns, step, one = 1
    if m <= 0 or n <= 0:
        scale_rows(1, n if transpose else m, beta, y, 0, 0)
        return 0
    if max(m, n, lda) > INT_MAX:
        return 1
    rows, columns, step = <int>m, <int>n, <int>lda
    blas_dgemv(b"N" if transpose else b"T", &columns, &rows, &alpha, <double *>a, &step, <double *>x, &one, &beta, y,
               &one)
    return 0


cdef int row_dsyrk(bint transpose, bint lower, Py_ssize_t n, Py_ssize_t k, double alpha, const double *a,
                   Py_ssize_t lda, double beta, double *c, Py_ssize_t ldc) noexcept nogil:
    cdef int order, terms, step_a, step_c
    if n <= 0:
        return 0
    if k <= 0:
        scale_rows(n, n, beta, c, ldc, -1 if lower else 1)
        return 0
    if max(n, k) > INT_MAX or max(lda, ldc) > INT_MAX:
        return 1
    order, terms, step_a, step_c = <int>n, <int>k, <int>lda, <int>ldc
    # its lower triangle by columns is the upper one by rows
    blas_dsyrk(b"U" if lower else b"L", b"N" if transpose else b"T", &order, &terms, &alpha, <double *>a, &step_a,
               &beta, c, &step_c)
    return 0


cdef Py_ssize_t step_of(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t row_bytes, Py_ssize_t bytes, size_t item,
                        str name) except -1:
    """Numbers from one row to the next; matrices of one row, or without any, have no such distance."""
    if columns > 1 and bytes != <Py_ssize_t>item:
        raise ValueError(f"the numbers of a row of {name} must lie side by side: copy it to C order first")
    if rows <= 1 or columns == 0:
        return max(columns, 1)
    if row_bytes % <Py_ssize_t>item or row_bytes < columns * <Py_ssize_t>item:
        raise ValueError(f"the rows of {name} must follow one another in memory: copy it to C order first")
    return row_bytes // <Py_ssize_t>item


cdef int refuse(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) except -1:
    raise OverflowError(f"BLAS counts to {INT_MAX}: a product of ({m}, {k}) and ({k}, {n}), or a distance of its rows, "
                        f"is larger; take it in blocks")


cdef int check(bint fits, str what) except -1:
    if not fits:
        raise ValueError(f"the shapes do not fit together: {what}")
    return 0


cdef int product(const real[:, :] a, const real[:, :] b, real[:, :] out, real alpha, real beta, bint transpose_a,
                 bint transpose_b) except -1:
    cdef Py_ssize_t m = out.shape[0], n = out.shape[1], k = a.shape[0] if transpose_a else a.shape[1]
    cdef Py_ssize_t lda = step_of(a.shape[0], a.shape[1], a.strides[0], a.strides[1], sizeof(real), "a")
    cdef Py_ssize_t ldb = step_of(b.shape[0], b.shape[1], b.strides[0], b.strides[1], sizeof(real), "b")
    cdef Py_ssize_t ldc = step_of(m, n, out.strides[0], out.strides[1], sizeof(real), "out")
    cdef int failed = 0
    check((a.shape[1] if transpose_a else a.shape[0]) == m and (b.shape[0] if transpose_b else b.shape[1]) == n
          and (b.shape[1] if transpose_b else b.shape[0]) == k,
          f"a ({a.shape[0]}, {a.shape[1]}), b ({b.shape[0]}, {b.shape[1]}), out ({m}, {n})")
    with nogil:
        if m > 0 and n > 0:
            failed = row_gemm(transpose_a, transpose_b, m, n, k, alpha, &a[0, 0] if k > 0 else NULL, lda,
                              &b[0, 0] if k > 0 else NULL, ldb, beta, &out[0, 0], ldc)
    if failed:
        refuse(m, n, k)
    return 0


def dgemm(const double[:, :] a, const double[:, :] b, double[:, :] out, double alpha=1.0, double beta=0.0,
          bint transpose_a=False, bint transpose_b=False):
    """out = alpha op(a) op(b) + beta out in float64, op the transpose where asked for; out must overlap neither."""
    product[double](a, b, out, alpha, beta, transpose_a, transpose_b)


def sgemm(const float[:, :] a, const float[:, :] b, float[:, :] out, float alpha=1.0, float beta=0.0,
          bint transpose_a=False, bint transpose_b=False):
    """The same in float32."""
    product[float](a, b, out, alpha, beta, transpose_a, transpose_b)


def dsyrk(const double[:, :] a, double[:, :] out, double alpha=1.0, double beta=0.0, bint transpose=False):
    """The upper triangle of out = alpha a a^T + beta out, of a^T a with `transpose`; what is below stays as it is."""
    cdef Py_ssize_t n = out.shape[0], k = a.shape[0] if transpose else a.shape[1]
    cdef Py_ssize_t lda = step_of(a.shape[0], a.shape[1], a.strides[0], a.strides[1], sizeof(double), "a")
    cdef Py_ssize_t ldc = step_of(n, out.shape[1], out.strides[0], out.strides[1], sizeof(double), "out")
    cdef int failed = 0
    check(out.shape[1] == n and (a.shape[1] if transpose else a.shape[0]) == n,
          f"a ({a.shape[0]}, {a.shape[1]}), out ({n}, {out.shape[1]})")
    with nogil:
        if n > 0:
            failed = row_dsyrk(transpose, False, n, k, alpha, &a[0, 0] if k > 0 else NULL, lda, beta, &out[0, 0], ldc)
    if failed:
        refuse(n, n, k)
