"""The sums of `estimators.log_marginals` as four Triton kernels, for large batches on a GPU.

A batch of 2048 with 10 latents has 42 million pairs of a code and a posterior. Here a pair's log
density lives in a register only: it is worked out where it is needed, twice in the forward pass
and twice in the backward pass, which is far cheaper than to write it down and read it again.
Kept is one (B, M) tensor, the log density of all latents together.

Triton comes with torch's builds for CUDA on Linux; `available` says whether it is there. The
kernels compile in about two seconds, once for each size of batch.
"""

import functools
import importlib.util

import torch


@functools.cache
def available() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


class LogSums(torch.autograd.Function):
    """log q(z_i) and log prod_j q(z_ij): z (B, J), mean and log_var (M, J), weights (B, M).

    All float32 and on a GPU. r_in, the share of posterior n in q(z_i), gives the gradients:
    d log q(z_i) / d t = sum_n r_in d log N_in / d t.
    """

    @staticmethod
    def forward(ctx, z, mean, log_var, weights):
        z, mean, log_var, weights = (t.contiguous() for t in (z, mean, log_var, weights))
        codes, latents, images = *z.shape, len(mean)
        joint, log_q = torch.empty_like(weights), z.new_empty(codes)
        own = torch.empty_like(z)
        kernels, size = _kernels(), (codes, images, latents)
        rows = (-(-codes // ROWS),)
        with torch.cuda.device_of(z):
            kernels.sum_joint[rows](z, mean, log_var, weights, joint, log_q, *size, ROWS, COLUMNS)
            grid = (*rows, latents)
            kernels.sum_own[grid](z, mean, log_var, weights, own, *size, ROWS, COLUMNS)
        ctx.save_for_backward(z, mean, log_var, weights, joint, log_q, own)
        return log_q, own.sum(1)

    @staticmethod
    def backward(ctx, grad_joint, grad_product):
        z, mean, log_var, weights, joint, log_q, own = ctx.saved_tensors
        codes, latents, images = *z.shape, len(mean)
        grad_z, grad_mean, grad_log_var = map(torch.empty_like, (z, mean, log_var))
        given = z, mean, log_var, weights, joint, log_q, own
        pulls = grad_joint.contiguous(), grad_product.contiguous()
        kernels, size = _kernels(), (codes, images, latents, ROWS, COLUMNS)
        with torch.cuda.device_of(z):
            kernels.to_codes[(-(-codes // ROWS), latents)](*given, *pulls, grad_z, *size)
            kernels.to_posteriors[(-(-images // COLUMNS), latents)](
                *given, *pulls, grad_mean, grad_log_var, *size
            )
        return grad_z, grad_mean, grad_log_var, None


ROWS, COLUMNS = 32, 64  # of (B, M), that one program has in its registers at a time


@functools.cache
def _kernels():
    from . import log_sums_triton

    return log_sums_triton
