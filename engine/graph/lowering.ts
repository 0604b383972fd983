/** What every executor's lowering shares: operands that name storages with lifetimes, launches in order, nothing placed yet. */
import type { Operand } from '../fused-op.ts';
import { sizeOf, type DType } from '../tensor-spec.ts';
import { isContiguous } from './elementwise.ts';
import { results, root, useCounts, type Graph, type Node, type Value } from './graph.ts';
import { uniform } from './passes.ts';

/** What an operand names: a storage of the graph, or a buffer of one node. */
export interface Place {
  readonly bytes: number;
}

/** An operand of a node, and what of its place it is. */
export class PlacedOperand implements Operand {
  readonly place: Place;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly used: boolean;
  readonly zero: boolean;
  /** byte offset into the place */
  readonly offset: number;
  constructor(place: Place, shape: readonly number[], dtype: DType, used = true, zero = false, offset = 0) {
    this.place = place;
    this.shape = shape;
    this.dtype = dtype;
    this.used = used;
    this.zero = zero;
    this.offset = offset;
  }
  at(elements: number): PlacedOperand {
    return new PlacedOperand(this.place, this.shape, this.dtype, this.used, this.zero, this.offset + 4 * elements);
  }
}

/** A launch that only copies one whole place to another. */
export interface Copy {
  readonly from: Place;
  readonly to: Place;
}

/** When and with what a launch runs. */
export interface Scheduled {
  /** places that this launch may touch: they must hold their data now */
  readonly touches: readonly Place[];
  /** index of the node it belongs to */
  readonly node: number;
  /** not needed where these are put in one place */
  readonly copy?: Copy;
}

/** [output, input] storages that may share a place, if the input is not needed after the node. */
export interface InPlace {
  readonly output: Place;
  readonly input: Place;
  readonly node: number;
}

/** A graph as launches of an executor's own kind. */
export interface Lowered<Launch> {
  readonly launches: (Launch & Scheduled)[];
  /** by root */
  readonly places: Map<Value, Place>;
  readonly inPlace: InPlace[];
}

/** What a node is lowered with. */
export interface NodeLowering<Launch> {
  readonly inputs: readonly PlacedOperand[];
  readonly outputs: readonly PlacedOperand[];
  /** a buffer that lives for this node only */
  buffer(...shape: number[]): PlacedOperand;
  launch(launch: Launch, copy?: Copy): void;
}

/** Lowers every node in order. */
export function lowerGraph<Launch extends object>(graph: Graph, lowerNode: (node: Node, lowering: NodeLowering<Launch>) => void): Lowered<Launch> {
  const uses = useCounts(graph);
  const places = new Map<Value, Place>();
  const placeOf = (v: Value): Place => {
    const r = root(v);
    let place = places.get(r);
    if (place === undefined) places.set(r, (place = { bytes: 4 * sizeOf(r.shape) }));
    return place;
  };
  for (const v of [...graph.inputs.values(), ...graph.state.values(), ...graph.constants.keys(), ...results(graph)]) placeOf(v);
  const launches: (Launch & Scheduled)[] = [];
  const inPlace: InPlace[] = [];
  graph.nodes.forEach((node, index) => {
    const inputs = node.inputs.map((v) => new PlacedOperand(placeOf(v), v.shape, v.dtype, true, uniform(graph, v) === 0, 4 * (v.offset ?? 0)));
    const outputs = node.outputs.map((v) => new PlacedOperand(placeOf(v), v.shape, v.dtype, uses.has(v)));
    const touches = [...inputs, ...outputs.filter((o) => o.used)].map((o) => o.place);
    lowerNode(node, {
      inputs,
      outputs,
      buffer: (...shape) => {
        const place = { bytes: 4 * sizeOf(shape) };
        touches.push(place);
        return new PlacedOperand(place, shape, 'float32');
      },
      launch: (launch, copy) => launches.push({ ...launch, touches, node: index, ...(copy && { copy }) }),
    });
    for (const [o, i] of sharablePairs(node)) inPlace.push({ output: outputs[o].place, input: inputs[i].place, node: index });
  });
  return { launches, places, inPlace };
}

function sharablePairs(node: Node): readonly (readonly [number, number])[] {
  const { operation } = node;
  if (operation.kind === 'fused') return operation.op.inPlace ?? [];
  if (operation.kind === 'matmul') {
    const k = operation.product.epilogue.indexOf('addend');
    return k < 0 ? [] : [[0, 2 + k]];
  }
  if (operation.kind !== 'elementwise') return [];
  const { program } = operation;
  return node.inputs.flatMap((v, i) =>
    sizeOf(v.shape) === sizeOf(program.shape) && isContiguous(program.views[i], program.shape) && node.inputs.filter((u) => root(u) === root(v)).length === 1 ? [[0, i] as const] : [],
  );
}
