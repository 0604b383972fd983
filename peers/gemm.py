"""Native BLAS: GFLOP/s of fp32 matrix products of our shapes, through PyTorch and through NumPy.

    python gemm.py                       every shape, 1 thread and all cores, one JSON line each
    python gemm.py --shape 1024,64,8192 --threads 2 --seconds 1

[M K] x [K N], 2MKN operations, the median over repeats. Each thread count runs in a child process of its own, since
BLAS libraries read theirs when they are loaded. A warm cache is part of the measurement: operands are reused.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SHAPES = ["4096,64,288", "16384,64,256", "1024,64,8192"]   # a projection, a wide one, the head at V=8192
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def measure(multiply, seconds):
    for _ in range(3):
        multiply()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - start)
    return times


def child(shapes, threads, seconds):
    import numpy as np
    import torch
    from torch_cpu import blas
    torch.set_num_threads(threads)
    for shape in shapes:
        m, k, n = map(int, shape.split(","))
        a, b, c = (np.random.default_rng(0).standard_normal(s, dtype=np.float32) for s in ((m, k), (k, n), (m, n)))
        ta, tb, tc = map(torch.from_numpy, (a, b, c))
        for library, multiply in ("torch", lambda: torch.mm(ta, tb, out=tc)), ("numpy", lambda: np.matmul(a, b, out=c)):
            times = measure(multiply, seconds)
            flops = 2e-9 * m * k * n
            print(json.dumps({
                "library": library, "version": torch.__version__ if library == "torch" else np.__version__,
                "blas": blas() if library == "torch" else numpy_blas(np), "M": m, "K": k, "N": n, "threads": threads,
                "gflops": round(flops / statistics.median(times), 1), "gflopsBest": round(flops / min(times), 1),
                "repeats": len(times),
            }), flush=True)


def numpy_blas(np):
    """NumPy's BLAS; NumPy from pip carries one of its own, NumPy from a distribution uses the system's."""
    try:
        info = np.show_config(mode="dicts")["Build Dependencies"]["blas"]     # 1.26
        return f"{info['name']} {info['version']}"
    except (TypeError, KeyError):
        return "system BLAS"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shape", action="append", help="M,K,N; may be repeated")
    p.add_argument("--threads", type=int, action="append", help="may be repeated; 1 and all cores unless given")
    p.add_argument("--seconds", type=float, default=0.5, help="for each shape and library")
    p.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    shapes, threads = args.shape or SHAPES, args.threads or sorted({1, len(os.sched_getaffinity(0))})
    if args.child:
        return child(shapes, threads[0], args.seconds)
    for n in threads:
        flags = [f for shape in shapes for f in ("--shape", shape)]
        subprocess.run([sys.executable, os.path.abspath(__file__), "--child", "--threads", str(n), "--seconds", str(args.seconds),
                        *flags], env={**os.environ, **{v: str(n) for v in THREAD_VARIABLES}}, check=True)


if __name__ == "__main__":
    main()
