/**
 * The counted work of whole training steps equals two counts made here. Flops and exponentials are added up by hand, going through the
 * architecture, its backward pass and AdamW by the sizes alone; a fused op adds what its counting loops do at these sizes. Bytes are those of
 * the loops and, of all other nodes of the graph that engines replay, every element of a storage that a node reads, marked one by one, and
 * every element that it writes.
 *
 * Fusing changes neither flops nor exponentials: a node becomes part of another only where nothing else reads it, so nothing is computed twice. Where
 * another pass over the graph changes them, the count by hand says so.
 */
import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { capture } from '#engine/capture/capture.ts';
import { optimise } from '#engine/graph/passes.ts';
import { root, type Graph, type Node, type Value } from '#engine/graph/graph.ts';
import { workOf } from '#engine/program-work.ts';
import { float, int, specOf } from '#engine/tensor-spec.ts';
import { countedAdamW } from '#kernels/adamw/counted.ts';
import { countedAttention, countedAttentionGradient } from '#kernels/causal-attention/counted.ts';
import { countedConv, countedConvGradient } from '#kernels/causal-conv/counted.ts';
import { countedEmbedding, countedEmbeddingGradient } from '#kernels/embedding/counted.ts';
import { countedCrossEntropy } from '#kernels/labelled-cross-entropy/counted.ts';
import { countedGatedNorm, countedGatedNormGradient, countedNorm, countedNormGradient } from '#kernels/rms-norm/counted.ts';
import { countedScan, countedScanGradient } from '#kernels/selective-scan/counted.ts';
import { countedSsd, countedSsdGradient } from '#kernels/ssd/counted.ts';
import { tallied, type CountedCase } from '#kernels/tally.ts';
import { mixers } from './index.ts';
import { buildLanguageModel } from './language-model.ts';
import type { Mixer } from './mixer.ts';
import { trainingProgram } from './optimizer.ts';

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** What is counted by hand so far; every part of a model adds its forward pass, its backward pass and its parameters. */
class Count {
  flops = 0;
  exps = 0;
  /** moved by fused ops */
  fusedBytes = 0;
  parameters = 0;

  /** Flops and exponentials for each of n elements. */
  elements(n: number, flops: number, exps = 0): void {
    this.flops += n * flops;
    this.exps += n * exps;
  }

  ops(...cases: readonly CountedCase[]): void {
    for (const test of cases) {
      const { flops, exps, bytes } = tallied(test).work;
      this.elements(1, flops, exps);
      this.fusedBytes += bytes;
    }
  }

  /** A parameter is one call of AdamW, which costs the same without weight decay. Nothing limits the norm of the gradient. */
  parameter(...shape: number[]): void {
    this.parameters += shape.reduce((a, b) => a * b, 1);
    this.ops(countedAdamW(...shape));
  }

  /**
   * x [T, width] times the transpose of a weight [Σ parts, width], in parts. The gradients of x by its parts are added up. Those of the weight and of
   * the bias are zero outside their part; the graph lays them side by side in place of adding zeros, so they add nothing here.
   */
  linear(T: number, width: number, parts: readonly number[], { bias = false } = {}): void {
    const out = sum(parts);
    this.parameter(out, width);
    this.elements(T * width * out, 2); // x·Wᵀ
    this.elements(T * width * out, 2); // dx = dy·W
    this.elements(T * width * out, 2); // dW = dyᵀ·x
    this.elements(T * width, parts.length - 1);
    if (!bias) return;
    this.parameter(out);
    this.elements(T * out, 1); // added to the product, in its epilogue or not
    this.elements(T * out, 1); // db, a sum over T tokens
  }

  norm(T: number, D: number): void {
    this.parameter(D);
    this.ops(countedNorm({ rows: T, D, groups: 1 }), countedNormGradient({ rows: T, D, groups: 1 }));
  }

  /** SiLU(conv(x)) of each part of the channels, which share a weight and a bias. */
  shortConv(B: number, L: number, W: number, parts: readonly number[]): void {
    this.parameter(sum(parts), 1, W);
    this.parameter(sum(parts));
    for (const C of parts) this.ops(countedConv({ B, L, C, W }), countedConvGradient({ B, L, C, W }));
  }

  /** A = −exp(A_log): the exponential, kept for the gradient, and its negative; dA_log = (−dA)·exp(A_log). */
  decayRates(...shape: number[]): void {
    this.parameter(...shape);
    this.elements(shape.reduce((a, b) => a * b), 1, 1);
    this.elements(shape.reduce((a, b) => a * b), 2);
  }

  /** softplus(x); dx = dy·sigmoid(x). */
  softplus(n: number): void {
    this.elements(n, 0, 1);
    this.elements(n, 1, 1);
  }
}

interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly D: number;
}

/** A mixer with its options, and the count of one layer of it. */
interface Kind {
  readonly mixer: Mixer;
  readonly options: Readonly<Record<string, unknown>>;
  layer(count: Count, sizes: Sizes): void;
}

function attention(options: { heads: number }): Kind {
  return {
    mixer: mixers.attention,
    options,
    layer(count, { B, L, D }) {
      const heads = { B, L, H: options.heads, K: D / options.heads, P: D / options.heads };
      count.linear(B * L, D, [D, D, D], { bias: true }); // q, k, v
      // the sums of the softmax are read by the gradient
      count.ops(countedAttention(heads, [true, true]), countedAttentionGradient(heads));
      count.linear(B * L, D, [D], { bias: true });
    },
  };
}

function mamba1(options: { dState: number; dConv: number; expand: number; dtRank: number }): Kind {
  return {
    mixer: mixers.mamba1,
    options,
    layer(count, { B, L, D }) {
      const T = B * L;
      const { dState: N, dConv: W, dtRank: R } = options;
      const E = options.expand * D;
      count.linear(T, D, [E, E]); // x, z
      count.shortConv(B, L, W, [E]);
      count.linear(T, E, [R, N, N]); // δ, B, C
      count.elements(T * E, 1); // x is also what is scanned: its two gradients are added
      count.linear(T, R, [E], { bias: true });
      count.softplus(T * E);
      count.decayRates(E, N);
      count.parameter(E); // D
      // y and the states before chunks of 32 tokens are read, the last state is not
      const scan = { B, L, E, N, chunk: 32 };
      count.ops(countedScan(scan, [true, false, true]), countedScanGradient(scan));
      // g = z·σ(z), y·g
      count.elements(T * E, 2, 1);
      // dy = d·g, dg = d·y; dz = dg·σ + (dg·z)·(σ·(1 − σ)). σ is kept
      count.elements(T * E, 2 + 2 + 3 + 1);
      count.linear(T, E, [D]);
    },
  };
}

function mamba2(options: { dState: number; headDim: number; nGroups: number; dConv: number; expand: number; chunk: number; form: 'chunked' | 'linear' | 'quadratic' }): Kind {
  return {
    mixer: mixers.mamba2,
    options,
    layer(count, { B, L, D }) {
      const T = B * L;
      const { dState: N, headDim: P, nGroups: G, dConv: W } = options;
      const E = options.expand * D;
      const H = E / P;
      count.linear(T, D, [E, E, G * N, G * N, H]); // z, x, B, C, Δ₀
      count.shortConv(B, L, W, [E, G * N, G * N]);
      // Δ = softplus(Δ₀ + dt_bias), and the bias's gradient, a sum over tokens
      count.parameter(H);
      count.elements(T * H, 1);
      count.softplus(T * H);
      count.elements(T * H, 1);
      count.decayRates(H);
      count.parameter(H); // D
      // 0 is the recurrence; the last state is not read
      const chunk = { chunked: Math.min(options.chunk, L), linear: 0, quadratic: L }[options.form];
      count.ops(countedSsd({ B, L, H, P, G, N }, chunk, [true, false]), countedSsdGradient({ B, L, H, P, G, N }, chunk));
      const norm = { rows: T, D: E, groups: G };
      count.parameter(E);
      count.ops(countedGatedNorm(norm), countedGatedNormGradient(norm));
      count.linear(T, E, [D]);
    },
  };
}

interface Setting extends Sizes {
  readonly kind: Kind;
  readonly layers: number;
  /** vocabulary */
  readonly V: number;
  /** scored positions */
  readonly R: number;
  /** hidden width of an MLP in every layer; 0 is none */
  readonly M: number;
  /** learned positions; 0 is none */
  readonly positions: number;
  readonly lossScale: number;
}

function countedStep({ kind, B, L, D, layers, V, R, M, positions, lossScale }: Setting): Count {
  const count = new Count();
  const T = B * L;
  /** x + f(x), and the gradients of both added */
  const residual = () => count.elements(T * D, 1 + 1);

  count.parameter(V, D);
  count.ops(countedEmbedding({ V, D, B, L }), countedEmbeddingGradient({ V, D, B, L }));
  if (positions > 0) {
    count.parameter(positions, D);
    count.elements(T * D, 1);
    // the gradient is the sum over the sequences; that of one sequence is the sequence, and the graph has no sum
    if (B > 1) count.elements(T * D, 1);
  }
  for (let i = 0; i < layers; i++) {
    count.norm(T, D);
    kind.layer(count, { B, L, D });
    residual();
    if (M === 0) continue;
    count.norm(T, D);
    count.linear(T, D, [M], { bias: true });
    // GELU: (x/2)·(erf(x/√2) + 1)
    count.elements(T * M, 4, 1);
    // of the product 2; through the half 1; e^(−v²), v = x/√2, is 2 and one exponential, times 2/√π and dy 2, through the root 1; both added 1
    count.elements(T * M, 2 + 1 + (2 + 2 + 1) + 1, 1);
    count.linear(T, M, [D], { bias: true });
    residual();
  }
  count.norm(T, D);
  // the loss and both gradients are read, losses and predictions are not
  count.ops(countedCrossEntropy({ T, D, V, R }, [true, false, false, true, true]));
  // the loss times the scale and divided by it again, both gradients times it; all that times 1 is folded away
  if (lossScale !== 1) count.elements(2 + T * D + V * D, 1);
  // the table is embedding and head: its two gradients are added
  count.elements(V * D, 1);
  return count;
}

/** Calls `visit` with every index of a box. */
function each(shape: readonly number[], visit: (index: readonly number[]) => void, index: readonly number[] = []): void {
  if (index.length === shape.length) visit(index);
  else for (let i = 0; i < shape[index.length]; i++) each(shape, visit, [...index, i]);
}

/** Calls `read` for every element that a node reads of its inputs, by their place and the element's; some several times. */
function walk({ operation, inputs }: Node, read: (input: number, element: number) => void): void {
  switch (operation.kind) {
    case 'elementwise': {
      const { shape, views, code } = operation.program;
      const used = code.flatMap(({ args }) => args.filter((a): a is `x${number}` => String(a).startsWith('x')).map((a) => Number(a.slice(1))));
      each(shape, (index) => used.forEach((k) => read(k, index.reduce((at, i, axis) => at + i * views[k].strides[axis], views[k].offset))));
      return;
    }
    case 'matmul': {
      const { batch, m, n, k, transposeA, transposeB, strideA, strideB, epilogue } = operation.product;
      each([batch, m, k], ([b, i, l]) => read(0, b * strideA + (transposeA ? l * m + i : i * k + l)));
      each([batch, k, n], ([b, l, j]) => read(1, b * strideB + (transposeB ? j * k + l : l * n + j)));
      epilogue.forEach((term, e) => each([batch, m, n], ([b, i, j]) => read(2 + e, term === 'bias' ? j : (b * m + i) * n + j)));
      return;
    }
    case 'concat':
      operation.sizes.forEach((size, k) => each([operation.outer, size, operation.inner], ([o, s, i]) => read(k, (o * size + s) * operation.inner + i)));
      return;
    case 'reduce':
    case 'pad': {
      let element = 0;
      each(inputs[0].shape, () => read(0, element++));
      return;
    }
    default:
      throw new Error(`no training step has a ${operation.kind}`);
  }
}

/** Bytes moved by all nodes but fused ops. Each has one output, which something reads: the graph keeps no others. */
function plainBytes({ nodes }: Graph): number {
  let elements = 0;
  for (const node of nodes) {
    if (node.operation.kind === 'fused') {
      // then its operands are no parts of one storage, and its loops may count them one by one
      expect(new Set(node.inputs.map(root)).size).toBe(node.inputs.length);
      continue;
    }
    const marked = new Map<Value, Set<number>>(node.inputs.map((v) => [root(v), new Set()]));
    walk(node, (input, element) => marked.get(root(node.inputs[input]))!.add(element + (node.inputs[input].offset ?? 0)));
    for (const set of marked.values()) elements += set.size;
    for (const v of node.outputs) each(v.shape, () => elements++);
  }
  return 4 * elements;
}

const plain = { M: 0, positions: 0, lossScale: 1 };
const settings: Record<string, Setting> = {
  'attention, odd length, fewer tokens than positions': { ...plain, kind: attention({ heads: 3 }), B: 3, L: 7, D: 12, layers: 2, V: 11, R: 5, positions: 9 },
  'attention with an MLP and a scaled loss, all scored': { kind: attention({ heads: 1 }), B: 2, L: 16, D: 64, layers: 1, V: 53, R: 32, M: 20, positions: 16, lossScale: 8 },
  'mamba1, odd length': { ...plain, kind: mamba1({ dState: 3, dConv: 4, expand: 2, dtRank: 1 }), B: 2, L: 13, D: 10, layers: 1, V: 23, R: 4 },
  'mamba1, one sequence of two chunks, with positions': { ...plain, kind: mamba1({ dState: 16, dConv: 2, expand: 3, dtRank: 2 }), B: 1, L: 38, D: 6, layers: 3, V: 41, R: 9, positions: 38 },
  'mamba2, odd length in chunks with a rest': { ...plain, kind: mamba2({ dState: 4, headDim: 4, nGroups: 2, dConv: 4, expand: 2, chunk: 5, form: 'chunked' }), B: 3, L: 13, D: 8, layers: 2, V: 17, R: 6 },
  'mamba2, a recurrence shorter than the convolution, with an MLP': { kind: mamba2({ dState: 5, headDim: 12, nGroups: 1, dConv: 4, expand: 2, chunk: 64, form: 'linear' }), B: 2, L: 3, D: 6, layers: 1, V: 9, R: 2, M: 9, positions: 0, lossScale: 4 },
  'mamba2, quadratic': { ...plain, kind: mamba2({ dState: 16, headDim: 8, nGroups: 1, dConv: 3, expand: 1, chunk: 64, form: 'quadratic' }), B: 2, L: 8, D: 16, layers: 1, V: 16, R: 4 },
};

test.each(Object.entries(settings))('%s', (_, setting) => {
  const { kind, B, L, D, layers, V, R, M, positions, lossScale } = setting;
  const model = buildLanguageModel({ vocabSize: V, maxLength: Math.max(L, positions), dModel: D, layers, mlp: M / D, positions: positions > 0, round: [kind] });
  const program = trainingProgram(model, model.parameters(rng(0)), { weightDecay: 0.1, lossScale });
  const inputs = { ids: int(B, L), rows: int(R), targets: int(R), hyper: float(3) };
  const state = Object.fromEntries(Object.entries(program.state).map(([name, tensor]) => [name, specOf(tensor)]));
  const { flops, exps, fusedBytes, parameters } = countedStep(setting);
  const work = workOf(program.functions['train'], inputs, state);
  expect(parameters).toBe(model.parameterCount);
  expect(work.flops).toBe(flops);
  expect(work.exps).toBe(exps);
  expect(work.bytes).toBe(fusedBytes + plainBytes(optimise(capture(program.functions['train'], inputs, state))));
});
