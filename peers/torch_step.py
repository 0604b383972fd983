"""PyTorch on the CPU or a GPU: how fast is one training step of the MQAR language model?

A peer, not a product: the model our own engine trains, written as a PyTorch user would write it, and timed.
Two layers, width 64, no MLP, tied head, AdamW; the sequence mixer is attention, Mamba-2 or Mamba-1.

    python torch_step.py --mixer mamba2 --vocab 256 --length 64 --batch 64 --pairs 8 --mode scored --json
    python torch_step.py --mixer attention --search --json      which thread settings are best here?
    python torch_step.py --mixer attention --search --serve     then stay warm and measure on request
    python torch_step.py --mixer mamba2 --device cuda --length 256 --batch 1024 --pairs 64 --compile --json
    python torch_step.py --check                                forms agree, parameter counts, the loss falls

--mode plain    logits at every position, cross-entropy with ignore_index: as its users write it
--mode scored   tuned: logits only where a target is scored, denormals flushed, the faster forms of each operation

Letters: B batch, L length, D width, V vocabulary, E inner width (2D), H heads, P head width, N state size, Q chunk.
Runs on PyTorch 1.13 and later; what a version lacks is left out of the choice.
"""
import argparse
import ctypes
import json
import math
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

IGNORE = -100
HAS_SDPA = hasattr(F, "scaled_dot_product_attention")   # 2.0
HAS_RMS_NORM = hasattr(F, "rms_norm")                   # 2.4


# ---------------------------------------------------------------------------------------------------- data

def mqar(rng, vocab, length, batch, pairs, power=0.01):
    """One MQAR batch, inputs and targets [B L]: key-value pairs first, then each key once, among random fillers.

        input    k1 v1 k2 v2 | k2 .  k1 .
        target    -  -  -  - | v2 -  v1 -      the target sits on the query itself
    """
    slots = (length - 2 * pairs) // 2
    assert length % 2 == 0 and pairs <= slots, "MQAR needs an even length of at least 4 x pairs"
    half = vocab // 2
    pick = lambda n: np.argsort(rng.random((batch, n)), axis=1)[:, :pairs]   # distinct, uniform
    keys, values = 1 + pick(half - 1), half + pick(vocab - half)
    # distinct slots with probability ~ i^(power-1): the largest of log p + Gumbel noise
    noisy = (power - 1) * np.log(np.arange(1, slots + 1)) + rng.gumbel(size=(batch, slots))
    at = 2 * pairs + 2 * np.argsort(-noisy, axis=1)[:, :pairs]
    inputs = rng.integers(0, vocab, (batch, length))
    inputs[:, 0:2 * pairs:2], inputs[:, 1:2 * pairs:2] = keys, values
    targets = np.full((batch, length), IGNORE)
    rows = np.arange(batch)[:, None]
    inputs[rows, at], targets[rows, at] = keys, values
    return torch.from_numpy(inputs).long(), torch.from_numpy(targets).long()


# ---------------------------------------------------------------------------------------------------- parts

class RMSNorm(nn.Module):
    def __init__(self, d, eps=1e-5, fused=False):
        super().__init__()
        self.weight, self.eps, self.fused = nn.Parameter(torch.ones(d)), eps, fused and HAS_RMS_NORM

    def forward(self, x):
        if self.fused:
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class CausalConv(nn.Module):
    """Depthwise convolution over the last 4 positions, then SiLU. [B L C] -> [B L C]"""
    def __init__(self, channels, width=4, tuned=False):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, width, groups=channels, padding=width - 1)
        self.width, self.tuned = width, tuned

    def forward(self, x):
        if not self.tuned:
            return F.silu(self.conv(x.transpose(1, 2))[..., :x.shape[1]].transpose(1, 2))
        # the same sum as an image one pixel high with channels last: oneDNN takes it as it lies, twice as fast
        x = F.pad(x, (0, 0, self.width - 1, 0)).transpose(1, 2).unsqueeze(2)
        y = F.conv2d(x, self.conv.weight.unsqueeze(2), self.conv.bias, groups=x.shape[1])
        return F.silu(y.squeeze(2).transpose(1, 2))


def inverse_softplus_of_log_uniform(n, low=1e-3, high=1e-1, floor=1e-4):
    """b such that softplus(b) is log-uniform in [low, high]: the step sizes Mamba starts from."""
    dt = torch.exp(torch.rand(n) * math.log(high / low) + math.log(low)).clamp(min=floor)
    return dt + torch.log(-torch.expm1(-dt))


# ---------------------------------------------------------------------------------------------------- attention

def attend_softmax(q, k, v):                            # [B L D] each, one head
    L = q.shape[1]
    mask = torch.full((L, L), -1e4, dtype=q.dtype, device=q.device).triu(1)
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + mask
    return torch.softmax(scores, dim=-1) @ v


def attend_baddbmm(q, k, v):                            # mask and scale inside the product
    B, L, D = q.shape
    mask = torch.full((L, L), -1e4, dtype=q.dtype, device=q.device).triu(1).expand(B, L, L)
    return torch.softmax(torch.baddbmm(mask, q, k.transpose(1, 2), alpha=1 / math.sqrt(D)), dim=-1) @ v


def attend_sdpa(q, k, v):
    q, k, v = (t.unsqueeze(1) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1)


class Attention(nn.Module):
    """Causal softmax attention, one head, fused QKV with bias. 4D² + 4D parameters."""
    forms = {"softmax": attend_softmax, "baddbmm": attend_baddbmm, **({"sdpa": attend_sdpa} if HAS_SDPA else {})}
    plain_forms, scored_forms = ["softmax"] + ["sdpa"] * HAS_SDPA, list(forms)

    def __init__(self, d, layers, form, **_):
        super().__init__()
        self.qkv, self.out_proj, self.attend = nn.Linear(d, 3 * d), nn.Linear(d, d), self.forms[form]
        for m, std in (self.qkv, 0.02), (self.out_proj, 0.02 / math.sqrt(2 * layers)):
            nn.init.normal_(m.weight, std=std)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.out_proj(self.attend(*self.qkv(x).chunk(3, dim=-1)))


# ---------------------------------------------------------------------------------------------------- Mamba-2

def segsum(a):
    """[... T] -> [... T T]: sum of a over (s, t], -inf above the diagonal; masked first, so nothing cancels."""
    T = a.shape[-1]
    a = a.unsqueeze(-1).expand(*a.shape, T)
    a = a.masked_fill(~torch.ones(T, T, dtype=torch.bool, device=a.device).tril(-1), 0).cumsum(-2)
    return a.masked_fill(~torch.ones(T, T, dtype=torch.bool, device=a.device).tril(0), -math.inf)


def ssd_einsum(x, a, b, c, chunk):
    """y_t = sum_s exp(a_{s+1} + ... + a_t) (c_t . b_s) x_s, in four einsums (Mamba-2 paper, listing 1).

    x [B L H P] already times dt, a [B L H] = dt A, b and c [B L N] shared by the heads.
    """
    B, L, H, P = x.shape
    b, c = (t.unsqueeze(2).expand(B, L, H, t.shape[-1]) for t in (b, c))
    x, b, c = (t.reshape(B, L // chunk, chunk, H, t.shape[-1]) for t in (x, b, c))
    a = a.reshape(B, L // chunk, chunk, H).permute(0, 3, 1, 2)                        # [B H C Q]
    total = a.cumsum(-1)
    y = torch.einsum("bclhn,bcshn,bhcls,bcshp->bclhp", c, b, torch.exp(segsum(a)), x)     # inside a chunk
    states = torch.einsum("bclhn,bhcl,bclhp->bchpn", b, torch.exp(total[..., -1:] - total), x)
    states = torch.cat([torch.zeros_like(states[:, :1]), states], dim=1)
    carry = torch.exp(segsum(F.pad(total[..., -1], (1, 0))))                          # [B H C+1 C+1]
    states = torch.einsum("bhzc,bchpn->bzhpn", carry, states)[:, :-1]                 # entering each chunk
    y = y + torch.einsum("bclhn,bchpn,bhcl->bclhp", c, states, torch.exp(total))
    return y.reshape(B, L, H, P)


def ssd_shared(x, a, b, c, chunk):
    """The same sum, tuned: C·Bᵀ once for all heads, differences of cumulative sums, batched GEMMs, states only if needed."""
    B, L, H, P = x.shape
    C, N = L // chunk, b.shape[-1]
    x = x.reshape(B * C, chunk, H, P).transpose(1, 2)                                 # [BC H Q P]
    b, c = b.reshape(B * C, chunk, N), c.reshape(B * C, chunk, N)
    total = a.reshape(B * C, chunk, H).transpose(1, 2).cumsum(-1)                     # [BC H Q]
    future = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).triu(1)
    decay = torch.exp((total.unsqueeze(-1) - total.unsqueeze(-2)).masked_fill(future, -math.inf))
    y = (torch.bmm(c, b.transpose(1, 2)).unsqueeze(1) * decay) @ x                    # [BC H Q P]
    if C > 1:
        late = torch.exp(total[..., -1:] - total).unsqueeze(-1) * x                   # [BC H Q P]
        made = (b.transpose(1, 2).unsqueeze(1) @ late).reshape(B, C, H, N, P)
        keep = torch.exp(total[..., -1]).reshape(B, C, H, 1, 1)
        state, entering = torch.zeros_like(made[:, 0]), []
        for made_j, keep_j in zip(made.unbind(1), keep.unbind(1)):
            entering.append(state)
            state = state * keep_j + made_j
        entering = torch.stack(entering, 1).reshape(B * C, H, N, P)
        y = y + torch.exp(total).unsqueeze(-1) * (c.unsqueeze(1) @ entering)
    return y.transpose(1, 2).reshape(B, L, H, P)


class Mamba2(nn.Module):
    forms = {"einsum": ssd_einsum, "shared": ssd_shared}
    plain_forms, scored_forms = ["einsum"], list(forms)

    def __init__(self, d, layers, form, state=None, tuned=False, head=64, chunk=64, **_):
        super().__init__()
        E, N, H = 2 * d, state or 64, 2 * d // head
        self.sizes, self.chunk, self.ssd, self.tuned = (E, N, H, head), chunk, self.forms[form], tuned
        self.in_proj = nn.Linear(d, 2 * E + 2 * N + H, bias=False)
        self.conv = CausalConv(E + 2 * N, tuned=tuned)
        self.dt_bias = nn.Parameter(inverse_softplus_of_log_uniform(H))
        self.A_log = nn.Parameter(torch.log(1 + 15 * torch.rand(H)))
        self.D = nn.Parameter(torch.ones(H))
        self.norm = RMSNorm(E, fused=tuned)
        self.out_proj = nn.Linear(E, d, bias=False)
        self.out_proj.weight.data /= math.sqrt(layers)

    def forward(self, u):
        (E, N, H, P), (B, L, _) = self.sizes, u.shape
        parts = [E, E + 2 * N, H]
        if self.tuned:                                  # three products: neither the pieces nor their gradients are copied
            z, xbc, dt = (F.linear(u, w) for w in self.in_proj.weight.split(parts))
        else:
            z, xbc, dt = self.in_proj(u).split(parts, dim=-1)
        x, b, c = self.conv(xbc).split([E, N, N], dim=-1)
        x, dt = x.reshape(B, L, H, P), F.softplus(dt + self.dt_bias)                  # dt [B L H]
        y = self.ssd(x * dt.unsqueeze(-1), -dt * torch.exp(self.A_log), b, c, min(self.chunk, L))
        y = torch.addcmul(y, x, self.D.unsqueeze(-1)).reshape(B, L, E)
        return self.out_proj(self.norm(y * F.silu(z)))


# ---------------------------------------------------------------------------------------------------- Mamba-1

# h_t = exp(dt_t A) h_{t-1} + dt_t x_t b_t,  y_t = <c_t, h_t>.   x, dt [B L E], A [E N], b, c [B L N]

def scan_indexed(x, dt, A, b, c):
    """The loop of the published reference: index the big tensors at every step. (Each index costs the backward
    pass one gradient as large as the whole tensor, so time grows as L².)"""
    decay = torch.exp(dt.unsqueeze(-1) * A)                                           # [B L E N]
    drive = (dt * x).unsqueeze(-1) * b.unsqueeze(2)
    h, ys = torch.zeros_like(decay[:, 0]), []
    for t in range(x.shape[1]):
        h = decay[:, t] * h + drive[:, t]
        ys.append(torch.einsum("ben,bn->be", h, c[:, t]))
    return torch.stack(ys, dim=1)


def scan_unbind(x, dt, A, b, c):
    """The same loop over unbound steps: one gradient for all of them."""
    decay = torch.exp(dt.unsqueeze(-1) * A)
    drive = (dt * x).unsqueeze(-1) * b.unsqueeze(2)
    h, ys = torch.zeros_like(decay[:, 0]), []
    for decay_t, drive_t, c_t in zip(decay.unbind(1), drive.unbind(1), c.unbind(1)):
        h = decay_t * h + drive_t
        ys.append(torch.einsum("ben,bn->be", h, c_t))
    return torch.stack(ys, dim=1)


class HandScan(torch.autograd.Function):
    """The loop with its gradient written out: one step's tensors stay in cache, and only the states are kept."""
    @staticmethod
    def forward(ctx, x, dt, A, b, c):                                                 # time first: [L B ...]
        L, B, E = x.shape
        hs = x.new_empty(L + 1, B, E, A.shape[1])
        hs[0].zero_()
        u, y = dt * x, torch.empty_like(x)
        for t in range(L):
            h = torch.mul(hs[t], (dt[t].unsqueeze(-1) * A).exp_(), out=hs[t + 1])
            h.addcmul_(u[t].unsqueeze(-1), b[t].unsqueeze(1))
            torch.matmul(h, c[t].unsqueeze(-1), out=y[t].unsqueeze(-1))
        ctx.save_for_backward(x, dt, A, b, c, hs)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, dt, A, b, c, hs = ctx.saved_tensors
        L = x.shape[0]
        u, dA, dh = dt * x, torch.zeros_like(A), torch.zeros_like(hs[0])
        du, ddt, db, dc = torch.empty_like(x), torch.empty_like(dt), torch.empty_like(b), torch.empty_like(c)
        for t in range(L - 1, -1, -1):
            dc[t] = torch.matmul(dy[t].unsqueeze(1), hs[t + 1]).squeeze(1)
            dh.addcmul_(dy[t].unsqueeze(-1), c[t].unsqueeze(1))
            du[t] = torch.matmul(dh, b[t].unsqueeze(-1)).squeeze(-1)
            db[t] = torch.matmul(u[t].unsqueeze(1), dh).squeeze(1)
            dh.mul_((dt[t].unsqueeze(-1) * A).exp_())
            log_decay = dh * hs[t]                                                    # gradient of dt_t A
            ddt[t] = (log_decay * A).sum(-1)
            dA += (log_decay * dt[t].unsqueeze(-1)).sum(0)
        return du * dt, ddt + du * x, dA, db, dc


def scan_hand(x, dt, A, b, c):
    x, dt, b, c = (t.transpose(0, 1).contiguous() for t in (x, dt, b, c))
    return HandScan.apply(x, dt, A, b, c).transpose(0, 1)


class Mamba1(nn.Module):
    forms = {"indexed": scan_indexed, "unbind": scan_unbind, "hand": scan_hand}
    plain_forms, scored_forms = ["indexed", "unbind"], ["unbind", "hand"]

    def __init__(self, d, layers, form, state=None, tuned=False, **_):
        super().__init__()
        E, N, R = 2 * d, state or 16, math.ceil(d / 16)
        self.sizes, self.scan = (R, N), self.forms[form]
        self.in_proj = nn.Linear(d, 2 * E, bias=False)
        self.conv = CausalConv(E, tuned=tuned)
        self.x_proj = nn.Linear(E, R + 2 * N, bias=False)
        self.dt_proj = nn.Linear(R, E)
        nn.init.uniform_(self.dt_proj.weight, -R ** -0.5, R ** -0.5)
        self.dt_proj.bias.data = inverse_softplus_of_log_uniform(E)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, N + 1)).repeat(E, 1))
        self.D = nn.Parameter(torch.ones(E))
        self.out_proj = nn.Linear(E, d, bias=False)
        self.out_proj.weight.data /= math.sqrt(layers)

    def forward(self, u):
        R, N = self.sizes
        x, z = self.in_proj(u).chunk(2, dim=-1)
        x = self.conv(x)
        low, b, c = self.x_proj(x).split([R, N, N], dim=-1)
        dt = F.softplus(self.dt_proj(low))
        y = torch.addcmul(self.scan(x, dt, -torch.exp(self.A_log), b, c), x, self.D)
        return self.out_proj(y * F.silu(z))


MIXERS = {"attention": Attention, "mamba2": Mamba2, "mamba1": Mamba1}


# ---------------------------------------------------------------------------------------------------- model

class LanguageModel(nn.Module):
    def __init__(self, mixer, vocab, length, form, d=64, layers=2, state=None, tuned=False):
        super().__init__()
        norm = nn.LayerNorm if mixer == "attention" else lambda d: RMSNorm(d, fused=tuned)
        self.embed = nn.Embedding(vocab, d)
        self.position = nn.Embedding(length, d) if mixer == "attention" else None
        for e in filter(None, (self.embed, self.position)):
            nn.init.normal_(e.weight, std=0.02)
        self.norms = nn.ModuleList(norm(d) for _ in range(layers))
        self.mixers = nn.ModuleList(MIXERS[mixer](d, layers, form, state=state, tuned=tuned) for _ in range(layers))
        self.norm = norm(d)

    def forward(self, tokens, scored=None):
        """Logits [B L V], or [positions V] when flat indices of the scored positions are given."""
        x = self.embed(tokens)
        if self.position is not None:
            x = x + self.position.weight[:tokens.shape[1]]
        for norm, mixer in zip(self.norms, self.mixers):
            x = x + mixer(norm(x))
        if scored is not None:
            x = x.reshape(-1, x.shape[-1]).index_select(0, scored)
        return F.linear(self.norm(x), self.embed.weight)


class Trainer:
    """One case, ready to step. Batches are made before any clock starts, and a few of them are reused."""
    def __init__(self, args, form):
        torch.manual_seed(args.seed)
        rng, tuned = np.random.default_rng(args.seed), args.mode == "scored"
        self.args, self.form, self.losses, self.n = args, form, [], 0
        self.model = LanguageModel(args.mixer, args.vocab, args.length, form, args.width, args.layers, args.state, tuned).to(args.device)
        self.optimizer = self.adamw(tuned)
        self.loss = torch.compile(self.loss_of) if args.compile else self.loss_of
        self.batches = []
        for _ in range(args.batches):
            tokens, targets = mqar(rng, args.vocab, args.length, args.batch, args.pairs)
            scored = (targets.flatten() != IGNORE).nonzero().flatten() if tuned else None
            batch = tokens, targets.flatten()[scored] if tuned else targets.flatten(), scored
            self.batches.append(tuple(t if t is None else t.to(args.device) for t in batch))

    def adamw(self, tuned):
        make = lambda **kw: torch.optim.AdamW(self.model.parameters(), lr=self.args.lr, weight_decay=0.1, **kw)
        if tuned:                                       # the fused CPU optimizer came with 2.4
            try:
                return make(fused=True)
            except (RuntimeError, TypeError):
                pass
        return make()

    def loss_of(self, tokens, targets, scored):
        logits = self.model(tokens, scored)
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets, ignore_index=IGNORE)

    def step(self):
        loss = self.loss(*self.batches[self.n % len(self.batches)])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.n += 1
        self.losses.append(loss.item())

    def timed(self, steps=None, seconds=None):
        """Milliseconds of each step, for a number of steps or for some seconds (three steps at least)."""
        ms, begin, busy = [], time.perf_counter(), others_busy_seconds()
        while len(ms) < (steps or 3) or (steps is None and time.perf_counter() - begin < seconds):
            start = time.perf_counter()
            self.step()
            ms.append((time.perf_counter() - start) * 1e3)
        self.other_load = (others_busy_seconds() - busy) / (time.perf_counter() - begin)
        return ms

    def record(self, ms):
        a, median = self.args, statistics.median(ms)
        return {
            "mixer": a.mixer, "vocab": a.vocab, "length": a.length, "batch": a.batch, "pairs": a.pairs,
            "device": torch.cuda.get_device_name() if a.device == "cuda" else "cpu", "mode": a.mode, "form": self.form, "compile": a.compile, "threads": torch.get_num_threads(),
            "tokensPerSecond": round(a.batch * a.length / median * 1e3, 1),
            "stepMsMedian": round(median, 4), "stepMsMean": round(statistics.fmean(ms), 4),
            "stepMsQuarter": round(float(np.quantile(ms, 0.25)), 4), "stepMsMin": round(min(ms), 4), "steps": len(ms),
            "otherLoad": round(self.other_load, 2),     # cores that other processes kept busy meanwhile
            "firstLoss": round(self.losses[0], 5), "loss": round(self.losses[-1], 5),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "torch": torch.__version__, "blas": blas(), "env": environment(),
        }


def warm_trainer(args):
    """The trainer with the fastest of the forms allowed, judged by the quickest of a few steps of each."""
    mixer = MIXERS[args.mixer]
    forms = [args.form] if args.form != "auto" else mixer.plain_forms if args.mode == "plain" else mixer.scored_forms
    best = None
    for form in forms:
        trainer = Trainer(args, form)
        warm = trainer.timed(steps=1)                                  # the first step also allocates (and compiles)
        if warm[0] < 5e3:
            warm = trainer.timed(steps=args.warmup)
        if best is None or min(warm) < best[0]:
            best = min(warm), trainer
    return best[1]


# ---------------------------------------------------------------------------------------------------- settings

def others_busy_seconds():
    """CPU seconds that everything but this process has used since boot: on a quiet machine it stands still."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


PREFIXES = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "MALLOC_", "GLIBC_TUNABLES")


def environment():
    return {k: v for k, v in sorted(os.environ.items()) if k.startswith(PREFIXES)}


def blas():
    """The BLAS that torch itself calls, e.g. 'mkl 2024.2' or 'OpenBLAS 0.3.21 ... SkylakeX'."""
    config = torch.__config__.show()
    if "BLAS_INFO=mkl" in config:
        version = config.split("Math Kernel Library Version ")
        return "mkl " + version[1].split("-")[0] if len(version) > 1 else "mkl"
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "blas" in line and "numpy" not in line and ".so" in line}
    for path in sorted(paths):
        try:
            config = ctypes.CDLL(path).openblas_get_config
            config.restype = ctypes.c_char_p
            return config().decode().strip()
        except (OSError, AttributeError):
            pass
    return ", ".join(sorted(os.path.basename(p) for p in paths)) or "unknown"


def settings(allocator):
    """(threads of torch, environment) worth trying. OpenMP workers and OpenBLAS workers spin for a while after each
    job, and on two cores they take the cores from each other; so how long they spin is part of the setting.
    Spinning is always bounded: an idle peer must not slow the side that is measured next to it."""
    keep = {"MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20), "MALLOC_MMAP_MAX_": "0"}
    sleepy, spinning = {"OMP_WAIT_POLICY": "PASSIVE"}, {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "5000000"}
    cores = len(os.sched_getaffinity(0))
    counts = sorted({1, cores})
    if "BLAS_INFO=mkl" in torch.__config__.show():      # MKL runs on the same OpenMP threads as torch
        grid = [(n, wait) for n in counts for wait in ([{}] if n == 1 else [{}, sleepy, spinning])]
    else:
        grid = [(n, {"OPENBLAS_NUM_THREADS": str(m), **wait}) for n in counts for m in counts
                for wait in ([{}] if n == 1 else [{}, sleepy, spinning])]
        grid += [(n, {**env, "OPENBLAS_THREAD_TIMEOUT": "8"}) for n, env in grid
                 if env["OPENBLAS_NUM_THREADS"] != "1" and n != 1]
    return [(n, {**env, **malloc}) for malloc in {"default": [{}], "tuned": [keep], "both": [keep, {}]}[allocator] for n, env in grid]


def case_arguments(args, **changed):
    """The command line that asks for the same case, with some arguments changed."""
    flags = []
    for key, value in {**vars(args), "search": False, "serve": False, **changed}.items():
        flag = "--" + key.replace("_", "-")
        flags += [flag] if value is True else [] if value in (None, False) else [flag, str(value)]
    return [sys.executable, os.path.abspath(__file__), *flags]


def clean_environment(extra):
    return {**{k: v for k, v in os.environ.items() if not k.startswith(PREFIXES)}, **extra}


def search(args):
    """The case in child processes under each setting; the four fastest once more; the fastest of all is the answer."""
    grid, tried = settings(args.allocator), {}

    def attempt(i, seconds):
        threads, env = grid[i]
        child = subprocess.run(case_arguments(args, threads=threads, steps=None, seconds=seconds, json=True),
                               env=clean_environment(env), capture_output=True, text=True)
        if child.returncode:
            print(f"setting failed: {env}\n{child.stderr[-500:]}", file=sys.stderr)
            return
        record = json.loads(child.stdout.splitlines()[-1])
        if i not in tried or record["stepMsQuarter"] < tried[i]["stepMsQuarter"]:
            tried[i] = record
        print(f"{record['tokensPerSecond']:>10.0f} tokens/s  {record['form']:8} threads {threads}  {env}", file=sys.stderr)

    rank = lambda: sorted(tried, key=lambda i: tried[i]["stepMsQuarter"])   # what else runs here disturbs it less
    for i in range(len(grid)):
        attempt(i, args.search_seconds)
    for i in rank()[:4]:
        attempt(i, 2 * args.search_seconds)
    if not tried:
        sys.exit("no setting ran")
    return {**tried[rank()[0]], "tried": [
        {"threads": grid[i][0], "env": grid[i][1], "form": tried[i]["form"], "tokensPerSecond": tried[i]["tokensPerSecond"]}
        for i in rank()]}


# ---------------------------------------------------------------------------------------------------- commands

def serve(trainer):
    """One 'ready' line when warm; then, for each line {"steps": n} or {"seconds": s} on stdin, one record."""
    print(json.dumps({"ready": True, **trainer.record(trainer.timed(steps=1))}), flush=True)
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            answer = trainer.record(trainer.timed(request.get("steps"), request.get("seconds")))
        except Exception as error:                      # the driver decides what to do
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def check():
    """Every form gives the same values and gradients; parameters are as published; the loss starts at ln V and falls."""
    torch.manual_seed(0)
    count = lambda mixer, **kw: sum(p.numel() for p in MIXERS[mixer](64, 2, list(MIXERS[mixer].forms)[0], **kw).parameters())
    for name, got, want in (("attention", count("attention"), 4 * 64 ** 2 + 4 * 64), ("mamba1 N=16", count("mamba1", state=16), 32640),
                            ("mamba2 N=16", count("mamba2", state=16), 27686), ("mamba2 N=64", count("mamba2", state=64), 34310)):
        assert got == want, (name, got, want)
        print(f"parameters per layer  {name:12} {got}")

    def results(mixer, form, length, tuned):
        torch.manual_seed(1)
        module, u = MIXERS[mixer](64, 2, form, tuned=tuned).double(), torch.randn(2, length, 64).double().requires_grad_()
        y = module(u)
        y.square().sum().backward()
        return [y, u.grad, *(p.grad for p in module.parameters())]

    torch.set_default_dtype(torch.float64)
    for mixer in MIXERS:
        for length in (64, 192):
            for tuned in (False, True):
                for form in MIXERS[mixer].forms:
                    want, got = results(mixer, list(MIXERS[mixer].forms)[0], length, False), results(mixer, form, length, tuned)
                    worst = max(((a - b).abs().max() / a.abs().max().clamp(min=1e-30)).item() for a, b in zip(want, got))
                    assert worst < 1e-9, (mixer, form, tuned, length, worst)
                    print(f"value and gradients   {mixer} {form} tuned={tuned} L={length}: {worst:.0e}")
    # Mamba-2 by its recurrence, one position after another
    x, a, b, c = torch.randn(2, 128, 2, 8), -torch.rand(2, 128, 2), torch.randn(2, 128, 4), torch.randn(2, 128, 4)
    S, ys = torch.zeros(2, 2, 8, 4), []
    for t in range(128):
        S = S * a[:, t].exp()[..., None, None] + torch.einsum("bhp,bn->bhpn", x[:, t], b[:, t])
        ys.append(torch.einsum("bhpn,bn->bhp", S, c[:, t]))
    worst = (ssd_einsum(x, a, b, c, 32) - torch.stack(ys, 1)).abs().max().item()
    assert worst < 1e-10, worst
    print(f"chunked = recurrent   mamba2 {worst:.0e}")
    torch.set_default_dtype(torch.float32)

    for mixer in MIXERS:
        for mode in ("plain", "scored"):
            args = parser().parse_args(f"--mixer {mixer} --mode {mode} --vocab 256 --length 32 --pairs 4 --batch 16 --batches 1 --lr 1e-2".split())
            trainer = Trainer(args, getattr(MIXERS[mixer], mode + "_forms")[-1])
            trainer.timed(steps=40)
            first, last = trainer.losses[0], trainer.losses[-1]
            assert abs(first - math.log(256)) < 0.15 and last < 0.7 * first, (mixer, mode, first, last)
            print(f"one batch, 40 steps   {mixer} {mode}: loss {first:.3f} (ln V {math.log(256):.3f}) -> {last:.3f}")


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mixer", choices=MIXERS, default="attention")
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--length", type=int, default=64)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--pairs", type=int, default=4)
    p.add_argument("--mode", choices=("plain", "scored"), default="plain")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--form", default="auto", help="one form of the mixer instead of the fastest one the mode allows")
    p.add_argument("--compile", action="store_true", help="torch.compile the loss (2.x, needs a C++ compiler)")
    p.add_argument("--width", type=int, default=64)
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--state", type=int, help="state size N (64 for mamba2, 16 for mamba1)")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--batches", type=int, default=8, help="pre-made batches to cycle through")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="torch.set_num_threads")
    p.add_argument("--flush-denormals", choices=("mode", "yes", "no"), default="mode", help="mode: only when scored")
    p.add_argument("--warmup", type=int, default=5, help="untimed steps of each form")
    p.add_argument("--seconds", type=float, default=5, help="measure for this long (when no --steps)")
    p.add_argument("--steps", type=int, help="measure this many steps")
    p.add_argument("--json", action="store_true", help="one JSON line")
    p.add_argument("--serve", action="store_true", help="measure on request, see serve()")
    p.add_argument("--search", action="store_true", help="try thread settings in child processes; keep the best")
    p.add_argument("--search-seconds", type=float, default=2)
    p.add_argument("--allocator", choices=("default", "tuned", "both"), default="both", help="which settings of glibc's malloc to search among")
    p.add_argument("--check", action="store_true", help="check the numbers, then exit")
    return p


def main():
    args = parser().parse_args()
    if args.search:
        best = search(args)
        if not args.serve:
            return show(args, best)
        sys.stdout.flush()
        command = case_arguments(args, serve=True, threads=best["threads"], form=best["form"])
        os.execve(command[0], command, clean_environment(best["env"]))
    torch.set_num_threads(1 if args.check else args.threads)
    if args.check:
        return check()
    if args.flush_denormals == "yes" or (args.flush_denormals == "mode" and args.mode == "scored"):
        torch.set_flush_denormal(True)                  # before OpenMP's workers exist: they inherit it
    trainer = warm_trainer(args)
    if args.serve:
        return serve(trainer)
    show(args, trainer.record(trainer.timed(args.steps, args.seconds)))


def show(args, record):
    if args.json:
        return print(json.dumps(record))
    print("{mixer} {form}, V={vocab} L={length} B={batch}, {pairs} pairs, {mode}, threads {threads}: "
          "{tokensPerSecond:.0f} tokens/s, {stepMsMedian:.2f} ms a step, loss {firstLoss} -> {loss}".format(**record))
    print("torch {torch}, {blas}, {env}".format(**record))


if __name__ == "__main__":
    main()
