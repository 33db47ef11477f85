# cython: language_level=3
"""Along a line theta + t delta through kinks: samples near boundaries, when they meet them, how far the risk falls.

a.  Formulas. z_ik = q_k . x_i moves at the speed delta_k . x_i and meets its boundary at t = -z / dz. Between meetings
    l'(t) is linear; a meeting of sample i and unit k adds w_i e_i T to l' and w_i ((de_i + T)^2 - de_i^2) to l'', with
    T = (s+ - s-) sigma_k |dz_ik|, e_i the sample's residual there and de_i its speed before.
b.  Lists. Whoever moves q_k by less than r_k meets only samples with |z_ik| <= r_k |x_i|: `near` lists them in one pass
    over all samples, 2 m n d1 flops in panels of 32, one a lane; `meet` looks at the list alone, 4 n flops a pair.
c.  A heap hands the meetings out in their order: most lines end after a few of many. `cross` needs e and de of the
    samples met and of no other: 4 n d1 flops each, computed when they are met.
d.  Instruction sets. See _walk.h: one result for all of them.
"""

from libc.stdint cimport uint8_t

cdef extern from "_targets.h" nogil:
    int ft_best()

cdef extern from "_walk.h" nogil:
    enum:
        FW_PANEL
    ctypedef struct fw_line:
        const double *x
        const double *norm
        const double *q
        const double *delta
        const uint8_t *up
        Py_ssize_t n
        Py_ssize_t d1
    ctypedef struct fw_outputs:
        const double *y
        const double *w
        const double *sign
        double bias
        double speed
        double s_plus
        double s_minus
    Py_ssize_t fw_near(int variant, const double *columns, Py_ssize_t step, Py_ssize_t m, Py_ssize_t n,
                       const double *norm, const double *q, Py_ssize_t d1, const double *radius, Py_ssize_t room,
                       Py_ssize_t *sample, Py_ssize_t *unit) noexcept
    Py_ssize_t fw_meet(const fw_line *line, const Py_ssize_t *sample, const Py_ssize_t *unit, Py_ssize_t count,
                       double begin, double end, const double *still, const double *reach, Py_ssize_t *event,
                       double *time, Py_ssize_t *touching) noexcept
    Py_ssize_t fw_cross(const fw_line *line, const fw_outputs *outputs, const Py_ssize_t *sample,
                        const Py_ssize_t *unit, const Py_ssize_t *event, const double *time, Py_ssize_t count,
                        double end, double *state, uint8_t *up, Py_ssize_t *heap, Py_ssize_t *crossed,
                        Py_ssize_t *n_crossed) noexcept

PANEL = FW_PANEL
BEST_VARIANT = ft_best()


def near(const double[:, ::1] columns, const double[::1] norm, const double[:, ::1] q, const double[::1] radius,
         int variant, Py_ssize_t[::1] sample_out, Py_ssize_t[::1] unit_out):
    """Pairs with |z_ik| <= radius_k norm_i (none of a unit with a radius below 0); their number.

    columns (n, m): the inputs, one a column. The outputs get as many pairs as they have room for.
    """
    cdef Py_ssize_t count = 0
    with nogil:
        if norm.shape[0] > 0 and radius.shape[0] > 0:
            count = fw_near(variant, &columns[0, 0], columns.shape[1], columns.shape[1], columns.shape[0], &norm[0],
                            &q[0, 0], q.shape[0], &radius[0], sample_out.shape[0],
                            &sample_out[0] if sample_out.shape[0] > 0 else NULL,
                            &unit_out[0] if unit_out.shape[0] > 0 else NULL)
    return count


def meet(const double[:, ::1] x, const double[::1] norm, const double[:, ::1] q, const double[:, ::1] delta,
         const uint8_t[:, ::1] up, const Py_ssize_t[::1] sample, const Py_ssize_t[::1] unit, double begin, double end,
         const double[::1] still, const double[::1] reach, Py_ssize_t[::1] event_out, double[::1] time_out,
         Py_ssize_t[::1] touching_out):
    """Places in the list of the pairs that meet their boundary, from the side they count with, in begin < t <= end.

    A time below 0 counts as 0, a speed of at most still_k norm_i as none. touching_out (d1,): how many of the list
    have |z_ik| <= reach_k norm_i. The other outputs have room for the whole list; returns how many meet.
    """
    cdef fw_line line
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t size = sample.shape[0]
    with nogil:
        line.x, line.norm, line.q, line.delta = &x[0, 0], &norm[0], &q[0, 0], &delta[0, 0]
        line.up, line.n, line.d1 = &up[0, 0], x.shape[1], q.shape[0]
        count = fw_meet(&line, &sample[0] if size > 0 else NULL, &unit[0] if size > 0 else NULL, size, begin, end,
                        &still[0], &reach[0], &event_out[0] if size > 0 else NULL, &time_out[0] if size > 0 else NULL,
                        &touching_out[0])
    return count


def cross(const double[:, ::1] x, const double[::1] y, const double[::1] w, const double[:, ::1] q,
          const double[:, ::1] delta, const double[::1] bias, const double[::1] sign, const double[::1] slopes,
          const Py_ssize_t[::1] sample, const Py_ssize_t[::1] unit, const Py_ssize_t[::1] event,
          const double[::1] time, double end, double[::1] state_out, uint8_t[:, ::1] up_out, Py_ssize_t[::1] heap_out,
          Py_ssize_t[::1] crossed_out):
    """Through the meetings in the order of their times until the risk turns up: (number crossed, where it ended).

    bias (2,): the output bias and its speed; slopes (2,): s+, s-; state_out (4,): t, l', l'', how much l fell, changed.
    The sides up_out of those crossed change; crossed_out gets their places among the events. The end: the event at
    which the risk turns up; -1: at a minimum between events, or before `end`; -2: it still falls at `end`.
    """
    cdef fw_line line
    cdef fw_outputs outputs
    cdef Py_ssize_t at = -1, done = 0
    cdef Py_ssize_t size = event.shape[0]
    with nogil:
        line.x, line.norm, line.q, line.delta = &x[0, 0], NULL, &q[0, 0], &delta[0, 0]
        line.up, line.n, line.d1 = &up_out[0, 0], x.shape[1], q.shape[0]
        outputs.y, outputs.w, outputs.sign = &y[0], &w[0], &sign[0]
        outputs.bias, outputs.speed, outputs.s_plus, outputs.s_minus = bias[0], bias[1], slopes[0], slopes[1]
        at = fw_cross(&line, &outputs, &sample[0] if size > 0 else NULL, &unit[0] if size > 0 else NULL,
                      &event[0] if size > 0 else NULL, &time[0] if size > 0 else NULL, size, end, &state_out[0],
                      &up_out[0, 0], &heap_out[0] if size > 0 else NULL, &crossed_out[0] if size > 0 else NULL, &done)
    return done, at
