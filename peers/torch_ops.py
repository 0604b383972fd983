"""PyTorch on the CPU or a GPU: how long does one op take, forward or with gradients?

A peer, not a product: the ops that `recallbench throughput` measures, as PyTorch users write them (the parts of torch_step.py).

    python torch_ops.py --op ssd --form einsum --seqLen 4096 --heads 4 --headDim 64 --dState 64 --direction forward-backward
    python torch_ops.py --device cuda --serve      then a request a line on stdin, such as {"op": "gemm", "m": 1024, "n": 1024, "k": 1024}
    python torch_ops.py --check                    forms agree, gradients included

op                form          operands
causal-attention  sdpa, plain   q, k, v [B L H K]
ssd               einsum, tuned, quadratic, linear   x [B L H P], dt [B L H], a [H], b and c [B L N], d [H]
                  triton (with the package mamba_ssm, CUDA)
selective-scan    sequential, indexed, associative   x and delta [B L E], a [E N], b and c [B L N], d [E]
                  cuda (with the package mamba_ssm, CUDA)
long-conv         fft           u [B L C], h [L C]
gemm, copy        the machine's roofs

An answer: {"medianMs", "meanMs", "minMs", "samples": [ms, ...], "peakBytes", "torch", "threads", "device", "otherLoad"}, or
{"error", "kind": "out-of-memory" | "unsupported" | "failed"}.
"""
import argparse
import json
import math
import os
import statistics
import sys
import time

import torch
import torch.nn.functional as F

from torch_step import HAS_SDPA, blas, environment, others_busy_seconds, scan_indexed, scan_unbind, ssd_einsum, ssd_shared


class Unsupported(Exception):
    pass


# ---------------------------------------------------------------------------------------------------- forms

def attend_sdpa(q, k, v):
    if not HAS_SDPA:
        raise Unsupported(f"PyTorch {torch.__version__} has no scaled_dot_product_attention")
    return F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)), is_causal=True).transpose(1, 2)


def attend_plain(q, k, v):
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))                                   # [B H L K]
    L = q.shape[2]
    mask = torch.full((L, L), -math.inf, dtype=q.dtype, device=q.device).triu(1)
    return (torch.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]) + mask, dim=-1) @ v).transpose(1, 2)


def in_chunks(f, chunk=None):
    """SSD by a function of x·dt, dt·a, b, c and the chunk; the skip d x added."""
    def form(x, dt, a, b, c, d, sizes):
        return f(x * dt.unsqueeze(-1), dt * a, b, c, chunk or min(sizes["chunk"], x.shape[1])) + d.unsqueeze(-1) * x
    return form


def ssd_quadratic(x, dt, a, b, c, d, sizes):
    return in_chunks(ssd_shared, x.shape[1])(x, dt, a, b, c, d, sizes)


def ssd_linear(x, dt, a, b, c, d, sizes):
    S, ys = x.new_zeros(x.shape[0], x.shape[2], x.shape[3], b.shape[-1]), []
    for x_t, decay_t, b_t, c_t in zip((x * dt.unsqueeze(-1)).unbind(1), (dt * a).exp().unbind(1), b.unbind(1), c.unbind(1)):
        S = decay_t[..., None, None] * S + x_t.unsqueeze(-1) * b_t[:, None, None]
        ys.append((S * c_t[:, None, None]).sum(-1))
    return torch.stack(ys, 1) + d.unsqueeze(-1) * x


def ssd_triton(x, dt, a, b, c, d, sizes):
    try:
        from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
    except ImportError as error:
        raise Unsupported(f"the package mamba_ssm is not there: {error}")
    return mamba_chunk_scan_combined(x, dt, a, b.unsqueeze(2), c.unsqueeze(2), chunk_size=sizes["chunk"], D=d)


def scan_by_index(x, delta, a, b, c, d, sizes):
    return scan_indexed(x, delta, a, b, c) + d * x


def scan_sequential(x, delta, a, b, c, d, sizes):
    return scan_unbind(x, delta, a, b, c) + d * x


def scan_associative(x, delta, a, b, c, d, sizes):
    """All prefixes at once in log2 L rounds (Hillis & Steele 1986): (p, s) of two spans compose to (p2 p1, p2 s1 + s2)."""
    p = torch.exp(delta.unsqueeze(-1) * a)                                             # [B L E N]
    s = (delta * x).unsqueeze(-1) * b.unsqueeze(2)
    by = 1
    while by < x.shape[1]:
        s = torch.cat([s[:, :by], torch.addcmul(s[:, by:], p[:, by:], s[:, :-by])], 1)
        p = torch.cat([p[:, :by], p[:, by:] * p[:, :-by]], 1)
        by *= 2
    return torch.einsum("blen,bln->ble", s, c) + d * x


def scan_cuda(x, delta, a, b, c, d, sizes):
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError as error:
        raise Unsupported(f"the package mamba_ssm is not there: {error}")
    return selective_scan_fn(*(t.transpose(1, 2) for t in (x, delta)), a, *(t.transpose(1, 2) for t in (b, c)), D=d).transpose(1, 2)


def conv_fft(u, h):
    n, L = 2 * u.shape[1], u.shape[1]
    return torch.fft.irfft(torch.fft.rfft(u, n, dim=1) * torch.fft.rfft(h, n, dim=0), n, dim=1)[:, :L]


SCALES = {"dt": (0.04, 0.05), "delta": (0.04, 0.05), "a": (0.5, -1.0)}                 # as our own operands


def shapes(r):
    """Operands of a request by name."""
    B, L, H, N, E = (r.get(k) for k in ("batch", "seqLen", "heads", "dState", "channels"))
    B = B or 1
    return {
        "causal-attention": lambda: {k: (B, L, H, r["headDim"]) for k in "qkv"},
        "ssd": lambda: {"x": (B, L, H, r["headDim"]), "dt": (B, L, H), "a": (H,), "b": (B, L, N), "c": (B, L, N), "d": (H,)},
        "selective-scan": lambda: {"x": (B, L, E), "delta": (B, L, E), "a": (E, N), "b": (B, L, N), "c": (B, L, N), "d": (E,)},
        "long-conv": lambda: {"u": (B, L, E), "h": (L, E)},
        "gemm": lambda: {"a": (r["m"], r["k"]), "b": (r["k"], r["n"])},
        "copy": lambda: {"x": (r["elements"],), "y": (r["elements"],)},
    }[r["op"]]()


FORMS = {
    "causal-attention": {"sdpa": lambda t, r: attend_sdpa(**t), "plain": lambda t, r: attend_plain(**t)},
    "ssd": {name: (lambda f: lambda t, r: f(**t, sizes=r))(f) for name, f in {
        "einsum": in_chunks(ssd_einsum), "tuned": in_chunks(ssd_shared), "quadratic": ssd_quadratic, "linear": ssd_linear, "triton": ssd_triton}.items()},
    "selective-scan": {name: (lambda f: lambda t, r: f(**t, sizes=r))(f) for name, f in {
        "sequential": scan_sequential, "indexed": scan_by_index, "associative": scan_associative, "cuda": scan_cuda}.items()},
    "long-conv": {"fft": lambda t, r: conv_fft(**t)},
    "gemm": {"blas": lambda t, r: t["a"] @ t["b"]},
    "copy": {"copy": lambda t, r: t["y"].copy_(t["x"])},
}


# ---------------------------------------------------------------------------------------------------- measuring

def operands(r, device, dtype, grad):
    made = {}
    for i, (name, shape) in enumerate(shapes(r).items()):
        n = math.prod(shape)
        scale, shift = SCALES.get(name, (1.0, 0.1 * i)) if r["op"] in ("ssd", "selective-scan") else (1.0, 0.1 * i)
        t = (torch.arange(min(n, 4093), dtype=torch.float64) * 1.7).sin().mul_(scale).add_(shift).to(dtype)
        made[name] = t.repeat(-(-n // len(t)))[:n].reshape(shape).to(device).requires_grad_(grad)
    return made


def program(r, device, dtype):
    """A call of the op: forward, or forward and the gradients of all operands."""
    forms = FORMS.get(r["op"])
    if forms is None or r.get("form", next(iter(forms))) not in forms:
        raise Unsupported(f"no {r['op']} {r.get('form')}; forms: { {k: list(v) for k, v in FORMS.items()} }")
    form = forms[r.get("form", next(iter(forms)))]
    grad = r.get("direction") == "forward-backward"
    t = operands(r, device, dtype, grad)
    f = lambda t: form(t, r)
    if r.get("compile"):
        f = torch.compile(f)
    if not grad:
        def call():
            with torch.no_grad():
                return f(t)
        return call
    with torch.no_grad():
        dy = torch.ones_like(f({k: v.detach() for k, v in t.items()}))
    return lambda: torch.autograd.grad(f(t), list(t.values()), dy)


def measure(r, device, dtype):
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    seconds, call, busy, began = r.get("seconds", 0.3), program(r, device, dtype), others_busy_seconds(), time.perf_counter()
    call()
    first = time.perf_counter() - began
    samples = []
    if device == "cpu":
        for end in (time.perf_counter() + min(seconds, 0.25) if first < seconds else 0, None):
            if end is None:
                samples, end = [], time.perf_counter() + seconds
            while time.perf_counter() < end or (len(samples) < 3 and end):
                start = time.perf_counter()
                call()
                samples.append((time.perf_counter() - start) * 1e3)
    else:                                               # several calls between two events: a GPU wants steady work
        def group(n):
            a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            a.record()
            for _ in range(n):
                call()
            b.record()
            b.synchronize()
            return a.elapsed_time(b) / n
        one, warm = group(1), time.perf_counter() + 0.3
        n = max(1, min(256, int(20 / max(one, 1e-3))))
        while time.perf_counter() < warm:
            n = max(1, min(256, int(20 / max(group(n), 1e-3))))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(samples) < 5:
            samples.append(group(n))
    return {
        "medianMs": statistics.median(samples), "meanMs": statistics.fmean(samples), "minMs": min(samples), "samples": samples[:200],
        "peakBytes": torch.cuda.max_memory_allocated() if device == "cuda" else 0,
        "otherLoad": round((others_busy_seconds() - busy) / (time.perf_counter() - began), 2), **about(device),
    }


def about(device):
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "blas": blas(), "env": environment(),
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu"}


def answer(r, device, dtype):
    try:
        return measure(r, device, dtype)
    except Unsupported as error:
        return {"error": str(error), "kind": "unsupported"}
    except (MemoryError, RuntimeError) as error:
        memory = isinstance(error, MemoryError) or "memory" in str(error)
        return {"error": str(error).splitlines()[0][:300], "kind": "out-of-memory" if memory else "failed"}
    except Exception as error:                          # the driver decides what to do
        return {"error": f"{type(error).__name__}: {error}", "kind": "failed"}
    finally:
        if device == "cuda":
            torch.cuda.empty_cache()


# ---------------------------------------------------------------------------------------------------- commands

def check():
    """Every form of an op gives the same values and gradients."""
    for op, sizes in {"causal-attention": dict(heads=2, headDim=5), "ssd": dict(heads=2, headDim=5, dState=3, chunk=4), "selective-scan": dict(channels=5, dState=3)}.items():
        wanted = None
        for form in FORMS[op]:
            r = {"op": op, "form": form, "batch": 2, "seqLen": 12, "direction": "forward-backward", **sizes}
            t = operands(r, "cpu", torch.float64, True)
            try:
                y = FORMS[op][form](t, r)
            except Unsupported as error:
                print(f"{op} {form}: {error}")
                continue
            weights = torch.arange(y.numel(), dtype=torch.float64).reshape(y.shape).cos()
            got = [y, *torch.autograd.grad((y * weights).sum(), list(t.values()))]
            wanted = wanted or got
            worst = max(((a - b).abs().max() / a.abs().max()).item() for a, b in zip(wanted, got))
            assert worst < 1e-10, (op, form, worst)
            print(f"{op} {form}: {worst:.0e}")
    u, h = torch.randn(2, 9, 3, dtype=torch.float64), torch.randn(9, 3, dtype=torch.float64)
    direct = torch.stack([sum(h[s] * u[:, t - s] for s in range(t + 1)) for t in range(9)], 1)
    worst = (conv_fft(u, h) - direct).abs().max().item()
    assert worst < 1e-12, worst
    print(f"long-conv fft: {worst:.0e}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("batch", "seqLen", "heads", "headDim", "channels", "dState", "m", "n", "k", "elements"):
        p.add_argument(f"--{name}", type=int)
    p.add_argument("--op", choices=FORMS)
    p.add_argument("--form", help="which form of the op; the first when left out")
    p.add_argument("--chunk", type=int, default=64)
    p.add_argument("--direction", choices=("forward", "forward-backward"), default="forward")
    p.add_argument("--seconds", type=float, default=0.3)
    p.add_argument("--compile", action="store_true", help="torch.compile the forward pass")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="torch.set_num_threads")
    p.add_argument("--flush-denormals", action="store_true")
    p.add_argument("--serve", action="store_true", help="measure on request: a line of JSON each way")
    p.add_argument("--check", action="store_true", help="check the numbers, then exit")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    if args.flush_denormals:
        torch.set_flush_denormal(True)
    if args.check:
        return check()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    if not args.serve:
        if args.op is None:
            p.error("--op, --serve or --check")
        print(json.dumps(answer({k: v for k, v in vars(args).items() if v is not None}, args.device, dtype)))
        return
    print(json.dumps({"ready": True, **about(args.device)}), flush=True)
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(answer(json.loads(line), args.device, dtype)), flush=True)


if __name__ == "__main__":
    main()
