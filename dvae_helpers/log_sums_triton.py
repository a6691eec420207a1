"""The kernels of `log_sums`: B codes, M posteriors, J latents, a tile of pairs in registers."""

import triton
import triton.language as tl

LOG_2PI = tl.constexpr(1.8378770664093453)


@triton.jit
def _column(table, n, j, inside, J: tl.constexpr):
    return tl.load(table + n * J + j, mask=inside, other=0.0)


@triton.jit
def _pairs(code, centre, log_var):
    """log N(code_i; centre_n, var_n): a tile."""
    distance = code[:, None] - centre[None, :]
    return -0.5 * (distance * distance * tl.exp(-log_var)[None, :] + log_var[None, :] + LOG_2PI)


@triton.jit
def _add(high, total, tile):
    """A running log-sum-exp over the columns that have been seen: its largest term, and its sum."""
    higher = tl.maximum(high, tl.max(tile, 1))
    base = tl.where(higher == float("-inf"), 0.0, higher)
    total = total * tl.exp(high - base) + tl.sum(tl.exp(tile - base[:, None]), 1)
    return higher, total


@triton.jit
def sum_joint(
    z,
    mean,
    log_var,
    weights,
    joint,
    log_q,
    B: tl.constexpr,
    M: tl.constexpr,
    J: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """log weight + sum_j log N, for all pairs; and its log-sum-exp over the posteriors."""
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    high = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    for start in range(0, M, COLUMNS):
        n = start + tl.arange(0, COLUMNS)
        inside = (i < B)[:, None] & (n < M)[None, :]
        place = i[:, None].to(tl.int64) * M + n[None, :]
        tile = tl.load(weights + place, mask=inside, other=float("-inf"))
        for j in range(J):
            code = _column(z, i, j, i < B, J)
            tile += _pairs(code, _column(mean, n, j, n < M, J), _column(log_var, n, j, n < M, J))
        tl.store(joint + place, tile, mask=inside)
        high, total = _add(high, total, tile)
    tl.store(log_q + i, high + tl.log(total), mask=i < B)


@triton.jit
def sum_own(
    z,
    mean,
    log_var,
    weights,
    own,
    B: tl.constexpr,
    M: tl.constexpr,
    J: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """log q(z_ij) of one latent: the log-sum-exp of log weight + log N over the posteriors."""
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    j = tl.program_id(1)
    code = _column(z, i, j, i < B, J)
    high = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    for start in range(0, M, COLUMNS):
        n = start + tl.arange(0, COLUMNS)
        inside = (i < B)[:, None] & (n < M)[None, :]
        tile = tl.load(
            weights + i[:, None].to(tl.int64) * M + n[None, :], mask=inside, other=float("-inf")
        )
        tile += _pairs(code, _column(mean, n, j, n < M, J), _column(log_var, n, j, n < M, J))
        high, total = _add(high, total, tile)
    tl.store(own + i * J + j, high + tl.log(total), mask=i < B)


@triton.jit
def _shares(
    i, n, j, code, centre, log_width, weights, joint, log_q, own, pull_joint, pull_product,
    B: tl.constexpr, M: tl.constexpr, J: tl.constexpr,
):  # fmt: skip
    """Each posterior's share in the two log densities, times what pulls at them: a tile."""
    inside = (i < B)[:, None] & (n < M)[None, :]
    place = i[:, None].to(tl.int64) * M + n[None, :]
    tile = tl.load(weights + place, mask=inside, other=float("-inf"))
    tile += _pairs(code, centre, log_width) - _column(own, i, j, i < B, J)[:, None]
    together = tl.load(joint + place, mask=inside, other=float("-inf"))
    together -= tl.load(log_q + i, mask=i < B, other=0.0)[:, None]
    pull_product = tl.load(pull_product + i, mask=i < B, other=0.0)
    pull_joint = tl.load(pull_joint + i, mask=i < B, other=0.0)
    return tl.exp(tile) * pull_product[:, None] + tl.exp(together) * pull_joint[:, None]


@triton.jit
def to_codes(
    z, mean, log_var, weights, joint, log_q, own, pull_joint, pull_product, grad_z,
    B: tl.constexpr, M: tl.constexpr, J: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The gradient at one latent of the codes."""
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    j = tl.program_id(1)
    code = _column(z, i, j, i < B, J)
    grad = tl.zeros([ROWS], tl.float32)
    for start in range(0, M, COLUMNS):
        n = start + tl.arange(0, COLUMNS)
        centre = _column(mean, n, j, n < M, J)
        log_width = _column(log_var, n, j, n < M, J)
        share = _shares(i, n, j, code, centre, log_width, weights, joint, log_q, own,
                        pull_joint, pull_product, B, M, J)  # fmt: skip
        grad += tl.sum(share * (centre[None, :] - code[:, None]) * tl.exp(-log_width)[None, :], 1)
    tl.store(grad_z + i * J + j, grad, mask=i < B)


@triton.jit
def to_posteriors(
    z, mean, log_var, weights, joint, log_q, own, pull_joint, pull_product, grad_mean,
    grad_log_var, B: tl.constexpr, M: tl.constexpr, J: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The gradients at one latent of the posteriors."""
    n = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    j = tl.program_id(1)
    centre = _column(mean, n, j, n < M, J)
    log_width = _column(log_var, n, j, n < M, J)
    precision = tl.exp(-log_width)
    first = tl.zeros([COLUMNS], tl.float32)
    second = tl.zeros([COLUMNS], tl.float32)
    for start in range(0, B, ROWS):
        i = start + tl.arange(0, ROWS)
        code = _column(z, i, j, i < B, J)
        share = _shares(i, n, j, code, centre, log_width, weights, joint, log_q, own,
                        pull_joint, pull_product, B, M, J)  # fmt: skip
        distance = (code[:, None] - centre[None, :]) * precision[None, :]
        first += tl.sum(share * distance, 0)
        second += tl.sum(share * (distance * (code[:, None] - centre[None, :]) - 1.0), 0)
    tl.store(grad_mean + n * J + j, first, mask=n < M)
    tl.store(grad_log_var + n * J + j, 0.5 * second, mask=n < M)
