/** Passes over a captured graph: fold constants, share equal nodes, drop dead ones, fuse. Each keeps the meaning. */
import { sizeOf } from '../tensor-spec.ts';
import { part, reshaped, results, root, substitute, useCounts, value, type Graph, type Node, type Value } from './graph.ts';
import { broadcastView, isContiguous, join, type Arg, type Elementwise, type Step } from './elementwise.ts';

/** All passes in order. `inputs`: how many tensors one fused elementwise program may read. */
export function optimise(graph: Graph, { inputs = 12 }: { readonly inputs?: number } = {}): Graph {
  foldConstants(graph);
  shareEqual(graph);
  dropDead(graph);
  fuseMatMulEpilogues(graph);
  fuseElementwise(graph, Math.min(12, inputs));
  joinPads(graph);
  viewSlices(graph);
  dropDead(graph);
  return graph;
}

/** Gives fused ops and their gradients what the first keep for the second on WASM (`wasmKeeps`). */
export function keepForGradients(graph: Graph): void {
  for (const [i, node] of graph.nodes.entries()) {
    if (node.operation.kind !== 'fused' || node.operation.op.wasmKeeps === undefined) continue;
    const { by, what } = node.operation.op.wasmKeeps;
    const own = new Set(node.outputs.map(root));
    const gradients = graph.nodes.slice(i).filter(({ operation, inputs }) => operation.kind === 'fused' && operation.op.name === by && inputs.some((v) => own.has(root(v))));
    const spec = gradients.length === 0 ? undefined : what(node.inputs);
    if (spec === undefined) continue;
    const kept = value(spec.shape, spec.dtype);
    node.outputs = [...node.outputs, kept];
    for (const gradient of gradients) gradient.inputs = [...gradient.inputs, kept];
  }
}

/** The number that every element of a constant has, if there is one. */
export function uniform(graph: Graph, v: Value): number | undefined {
  const data = graph.constants.get(root(v));
  if (data === undefined || data.length === 0) return undefined;
  const first = data[0];
  for (const x of data) if (x !== first) return undefined;
  return first;
}

const arithmetic: Partial<Record<Step['op'], (a: number, b: number) => number>> = {
  copy: (a) => a, neg: (a) => -a, square: (a) => a * a, add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b,
  abs: (a) => Math.abs(a), sqrt: (a) => Math.sqrt(a), exp: (a) => Math.exp(a), max: (a, b) => Math.max(a, b), min: (a, b) => Math.min(a, b),
};

/**
 * Uniform constants become immediates; what is computed from immediates alone becomes one; x·1, x+0, x−0, x/1 become x
 * where x has the output's shape, and x·0 becomes 0 (as every compiler of tensor programs does: NaN·0 is not kept).
 */
function foldConstants(graph: Graph): void {
  const replacement = new Map<Value, Value>();
  for (const node of graph.nodes) {
    const { operation } = node;
    if (operation.kind !== 'elementwise') continue;
    substituteInputs(node, replacement);
    const numbers = node.inputs.map((v) => (v.dtype === 'float32' || v.dtype === 'int32' || v.dtype === 'bool' ? uniform(graph, v) : undefined));
    const slots: number[] = [];
    let next = 0;
    for (const n of numbers) slots.push(n === undefined ? next++ : -1);
    const rename = (arg: Arg): Arg => {
      if (typeof arg === 'number' || arg.startsWith('r')) return arg;
      const k = Number(arg.slice(1));
      return numbers[k] ?? `x${slots[k]}`;
    };
    const code = simplify(operation.program.code.map((s) => ({ op: s.op, args: s.args.map(rename) })));
    const inputs = node.inputs.filter((_, k) => numbers[k] === undefined);
    const views = operation.program.views.filter((_, k) => numbers[k] === undefined);
    const used = new Set(code.flatMap((s) => s.args).filter((a) => typeof a === 'string' && a.startsWith('x')));
    const keep = inputs.map((_, k) => used.has(`x${k}`));
    const position = inputs.map((_, k) => keep.slice(0, k).filter(Boolean).length);
    const program: Elementwise = {
      shape: operation.program.shape,
      views: views.filter((_, k) => keep[k]),
      code: code.map((s) => ({ op: s.op, args: s.args.map((a) => (typeof a === 'string' && a.startsWith('x') ? (`x${position[Number(a.slice(1))]}` as Arg) : a)) })),
    };
    node.operation = { kind: 'elementwise', program };
    node.inputs = inputs.filter((_, k) => keep[k]);
    const [out] = node.outputs as [Value];
    const only = program.code.length === 1 && program.code[0].op === 'copy' ? program.code[0].args[0] : undefined;
    if (typeof only === 'number') {
      // small ones are kept as data for those who read them other than elementwise; large ones too, once
      graph.constants.set(out, out.dtype === 'int32' ? new Int32Array(sizeOf(out.shape)).fill(only) : new Float32Array(sizeOf(out.shape)).fill(only));
    } else if (only === 'x0') {
      const source = node.inputs[0];
      const whole = sizeOf(source.shape) === sizeOf(out.shape) && program.views[0].offset === 0 && isContiguous(program.views[0], program.shape);
      if (whole && source.dtype === out.dtype) replacement.set(out, root(source));
    }
  }
  graph.nodes = graph.nodes.filter((n) => !graph.constants.has(n.outputs[0]) && !replacement.has(n.outputs[0]));
  substitute(graph, replacement);
}

function substituteInputs(node: Node, replacement: ReadonlyMap<Value, Value>): void {
  node.inputs = node.inputs.map((v) => {
    let at = root(v);
    for (let next = replacement.get(at); next !== undefined; next = replacement.get(at)) at = next;
    return at === root(v) ? v : reshaped(at, v.shape, v.dtype);
  });
}

/** Peephole arithmetic on straight-line code, then dead steps out. */
function simplify(code: readonly Step[]): Step[] {
  const known: Arg[] = [];
  const kept: Step[] = [];
  const final = code.length - 1;
  code.forEach((step, i) => {
    const args = step.args.map((a) => (typeof a === 'string' && a.startsWith('r') ? known[Number(a.slice(1))] : a));
    const [a, b] = args as [Arg, Arg | undefined];
    let result: Arg | undefined;
    const f = arithmetic[step.op];
    if (f !== undefined && args.every((x) => typeof x === 'number')) result = Math.fround(f(args[0], (args[1]) ?? 0));
    else if (step.op === 'mul') result = a === 1 ? b : b === 1 ? a : a === 0 || b === 0 ? 0 : undefined;
    else if (step.op === 'add') result = a === 0 ? b : b === 0 ? a : undefined;
    else if (step.op === 'sub') result = b === 0 ? a : undefined;
    else if (step.op === 'div') result = b === 1 ? a : undefined;
    else if (step.op === 'copy') result = a;
    if (result !== undefined && (i !== final || typeof result === 'number' || result.startsWith('x'))) {
      if (i === final) kept.push({ op: 'copy', args: [result] });
      known.push(i === final ? `r${kept.length - 1}` : result);
    } else if (result !== undefined && result === `r${kept.length - 1}`) {
      known.push(result);
    } else {
      kept.push(result === undefined ? { op: step.op, args } : { op: 'copy', args: [result] });
      known.push(`r${kept.length - 1}`);
    }
  });
  return dropDeadSteps(kept);
}

function dropDeadSteps(code: readonly Step[]): Step[] {
  const live = new Set([code.length - 1]);
  for (let i = code.length - 1; i >= 0; i--) {
    if (!live.has(i)) continue;
    for (const a of code[i].args) if (typeof a === 'string' && a.startsWith('r')) live.add(Number(a.slice(1)));
  }
  const position = code.map((_, i) => [...live].filter((l) => l < i).length);
  return code
    .filter((_, i) => live.has(i))
    .map((s) => ({ op: s.op, args: s.args.map((a) => (typeof a === 'string' && a.startsWith('r') ? (`r${position[Number(a.slice(1))]}` as Arg) : a)) }));
}

/** Common subexpressions: equal operations on equal inputs are one. */
function shareEqual(graph: Graph): void {
  const seen = new Map<string, Node>();
  const replacement = new Map<Value, Value>();
  // equal small constants first
  const constants = new Map<string, Value>();
  for (const [v, data] of graph.constants) {
    if (data.length > 64) continue;
    const key = `${v.dtype}:${data.join()}`;
    const earlier = constants.get(key);
    if (earlier === undefined) constants.set(key, v);
    else replacement.set(v, earlier);
  }
  graph.nodes = graph.nodes.filter((node) => {
    substituteInputs(node, replacement);
    const { operation } = node;
    const name = operation.kind === 'fused' ? { kind: 'fused', op: operation.op.name, attrs: operation.attrs } : operation;
    const key = `${JSON.stringify(name)}|${node.inputs.map((v) => `${root(v).id}:${v.shape.join('x')}`).join()}|${node.outputs.map((v) => `${v.dtype}[${v.shape.join()}]`).join()}`;
    const earlier = seen.get(key);
    if (earlier === undefined) {
      seen.set(key, node);
      return true;
    }
    node.outputs.forEach((v, i) => replacement.set(v, earlier.outputs[i]));
    return false;
  });
  substitute(graph, replacement);
}

/** Nodes whose outputs nobody reads, and constants nobody reads. */
function dropDead(graph: Graph): void {
  const live = new Set(results(graph).map(root));
  const kept: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (!node.outputs.some((v) => live.has(v))) continue;
    for (const v of node.inputs) live.add(root(v));
    kept.push(node);
  }
  graph.nodes = kept.reverse();
  for (const v of graph.constants.keys()) if (!live.has(v)) graph.constants.delete(v);
}

/** x + A·B, and A·B + a row of biases, become part of the product when nobody else reads A·B. */
function fuseMatMulEpilogues(graph: Graph): void {
  const uses = useCounts(graph);
  const producer = new Map<Value, Node>(graph.nodes.flatMap((n) => n.outputs.map((v) => [v, n])));
  const gone = new Set<Node>();
  for (const node of graph.nodes) {
    const { operation } = node;
    if (operation.kind !== 'elementwise' || node.inputs.length !== 2 || node.outputs[0].dtype !== 'float32') continue;
    const { program } = operation;
    if (program.code.length !== 1 || program.code[0].op !== 'add' || program.code[0].args.some((a) => typeof a === 'number')) continue;
    const size = sizeOf(program.shape);
    const full = (k: number) => sizeOf(node.inputs[k].shape) === size && isContiguous(program.views[k], program.shape);
    for (const k of [1, 0]) {
      const source = producer.get(root(node.inputs[k]));
      if (source === undefined || gone.has(source) || source.operation.kind !== 'matmul' || uses.get(source.outputs[0]) !== 1 || !full(k)) continue;
      const { product } = source.operation;
      const other = node.inputs[1 - k];
      const view = program.views[1 - k];
      const n = product.n;
      const isBias = sizeOf(other.shape) === n && size !== n && isRow(view.strides, program.shape, n);
      const isAddend = full(1 - k);
      const kind = isBias ? 'bias' : 'addend';
      if (product.epilogue.includes(kind) || (!isBias && !isAddend)) continue;
      // the product moves to where the sum was, so that both operands are ready
      node.operation = { kind: 'matmul', product: { ...product, epilogue: [...product.epilogue, kind] } };
      node.inputs = [...source.inputs, other];
      gone.add(source);
      producer.set(node.outputs[0], node);
      break;
    }
  }
  graph.nodes = graph.nodes.filter((n) => !gone.has(n));
}

/** Whether the strides read a row of n again for each of the leading indices. */
function isRow(strides: readonly number[], shape: readonly number[], n: number): boolean {
  const row = broadcastView([n], [...shape.slice(0, -1), shape.at(-1)!]);
  return shape.at(-1) === n && shape.every((d, i) => d === 1 || strides[i] === row.strides[i]);
}

const MOST_STEPS = 40;

/** An elementwise node that only one elementwise node reads, in order, becomes part of it. */
function fuseElementwise(graph: Graph, mostInputs: number): void {
  const uses = useCounts(graph);
  const producer = new Map<Value, Node>();
  const gone = new Set<Node>();
  for (const node of graph.nodes) {
    if (node.operation.kind === 'elementwise') {
      for (let slot = 0; slot < node.inputs.length; ) {
        const program: Elementwise = node.operation.program;
        const v = node.inputs[slot];
        const source = producer.get(root(v));
        const joined: ReturnType<typeof join> =
          source !== undefined &&
          source.operation.kind === 'elementwise' &&
          source.outputs[0].dtype !== 'int32' &&
          uses.get(root(v)) === node.inputs.filter((u) => root(u) === root(v)).length &&
          node.inputs.filter((u) => root(u) === root(v)).length === 1 &&
          sizeOf(v.shape) === sizeOf(program.shape) &&
          isContiguous(program.views[slot], program.shape)
            ? join({ program, inputs: node.inputs }, slot, { program: source.operation.program, inputs: source.inputs })
            : undefined;
        if (joined === undefined || joined.inputs.length > mostInputs || joined.program.code.length > MOST_STEPS) {
          slot++;
          continue;
        }
        for (const u of source!.inputs) uses.set(root(u), uses.get(root(u))! - 1);
        for (const u of node.inputs) uses.set(root(u), uses.get(root(u))! - 1);
        for (const u of joined.inputs) uses.set(root(u), (uses.get(root(u)) ?? 0) + 1);
        node.operation = { kind: 'elementwise', program: joined.program };
        node.inputs = joined.inputs;
        gone.add(source!);
        slot = 0;
      }
    }
    for (const v of node.outputs) producer.set(v, node);
  }
  graph.nodes = graph.nodes.filter((n) => !gone.has(n));
}


/** The gradient of a tensor that was used in slices, a sum of slices' gradients with zeros around them, is those gradients side by side. */
function joinPads(graph: Graph): void {
  const uses = useCounts(graph);
  const producer = new Map<Value, Node>(graph.nodes.flatMap((n) => n.outputs.map((v) => [v, n])));
  for (const node of graph.nodes) {
    const { operation } = node;
    const [out] = node.outputs as [Value];
    if (operation.kind !== 'elementwise' || node.inputs.length < 2) continue;
    const { program } = operation;
    const sources = node.inputs.map((v) => producer.get(root(v)));
    const pieces = sources.flatMap((source, k) => {
      if (source?.operation.kind !== 'pad' || source.operation.fill !== 0 || uses.get(source.outputs[0]) !== 1 || !isContiguous(program.views[k], program.shape)) return [];
      const { before } = source.operation;
      const [from] = source.inputs as [Value];
      const to = source.outputs[0].shape;
      const axes = to.flatMap((d, i) => (d === from.shape[i] ? [] : [i]));
      return axes.length === 1 ? [{ axis: axes[0], first: before[axes[0]], size: from.shape[axes[0]], from, to }] : [];
    });
    const sum = program.code.length === node.inputs.length - 1 && program.code.every((s, i) => s.op === 'add' && s.args.every((a) => typeof a === 'string' && (a.startsWith('x') || a === `r${i - 1}`)));
    if (!sum || pieces.length !== node.inputs.length) continue;
    pieces.sort((a, b) => a.first - b.first);
    const [{ axis, to }] = pieces;
    const ends = pieces.map((p) => p.first + p.size);
    if (pieces.some((p, i) => p.axis !== axis || p.to.join() !== to.join() || p.first !== (ends[i - 1] ?? 0)) || ends.at(-1) !== to[axis] || sizeOf(to) !== sizeOf(out.shape)) continue;
    node.operation = { kind: 'concat', outer: sizeOf(to.slice(0, axis)), inner: sizeOf(to.slice(axis + 1)), sizes: pieces.map((p) => p.size) };
    node.inputs = pieces.map((p) => p.from);
  }
}

/** Parts of storages begin at multiples of so many elements: what bindings of every GPU allow. */
const PART_ALIGNMENT = 64;

/** Copies of neighbouring elements are read where they are. Runs last: the other passes take values for whole storages. */
function viewSlices(graph: Graph): void {
  const kept = new Set(results(graph).map(root));
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) for (const v of node.inputs) readers.set(root(v), [...(readers.get(root(v)) ?? []), node]);
  const view = new Map<Value, { of: Value; offset: number }>();
  for (const { operation, inputs: [x], outputs: [out] } of graph.nodes) {
    if (operation.kind !== 'elementwise' || operation.program.code.length !== 1 || operation.program.code[0].op !== 'copy' || x === undefined || kept.has(out)) continue;
    const { shape, views: [{ offset, strides }] } = operation.program;
    const whole = sizeOf(x.shape) === sizeOf(shape);
    if (whole || x.dtype !== out.dtype || x.offset !== undefined || offset % PART_ALIGNMENT !== 0 || !isContiguous({ offset: 0, strides }, shape)) continue;
    // a kernel binds no storage twice
    const twice = (n: Node) => n.inputs.some((v) => root(v) === root(x) || root(view.get(root(v))?.of ?? v) === root(x));
    if (readers.get(out)?.some((n) => n.operation.kind === 'elementwise' || twice(n))) continue;
    view.set(out, { of: x, offset });
  }
  for (const node of graph.nodes) {
    const parts = node.inputs.map((v) => view.get(root(v)));
    node.inputs = node.inputs.map((v, i) => (parts[i] === undefined ? v : part(parts[i].of, v.shape, parts[i].offset)));
  }
}
