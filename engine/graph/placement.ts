/** Puts every storage of a lowered graph somewhere: fixed places where they are, all others in arenas that they share over time. */
import { results, root, type Graph } from './graph.ts';
import type { Copy, Lowered, Place, Scheduled } from './lowering.ts';
import { planMemory } from './memory-plan.ts';

/** A place in one of the arenas, in bytes. */
export interface ArenaAddress {
  readonly arena: number;
  readonly offset: number;
}

export interface Placement<Address, Launch> {
  readonly address: Map<Place, Address>;
  /** those of the lowered graph, less copies of a place to itself */
  readonly launches: readonly (Launch & Scheduled)[];
  readonly arenaBytes: readonly number[];
  /** next states that could not be written over the old ones; to be done in order after the last launch */
  readonly moves: readonly Copy[];
}

/**
 * Assigns addresses. `fixed` holds what has its place already (state, inputs, constants), `inArena` turns a place in an arena into an
 * address; arenas are cut at `limit` bytes and tensors in them aligned to `alignment`.
 */
export function assignPlaces<Address, Launch extends object>(
  graph: Graph, lowered: Lowered<Launch>, fixed: ReadonlyMap<Place, Address>, inArena: (at: ArenaAddress) => Address, { alignment, limit = Infinity }: { alignment: number; limit?: number },
): Placement<Address, Launch> {
  const address = new Map(fixed);
  const { places, launches } = lowered;
  const end = graph.nodes.length;
  const life = new Map<Place, { first: number; last: number }>();
  const touch = (p: Place, node: number) => {
    const l = life.get(p);
    if (l === undefined) life.set(p, { first: node, last: node });
    else l.last = Math.max(l.last, node);
  };
  for (const launch of launches) for (const p of launch.touches) touch(p, launch.node);
  for (const v of results(graph)) touch(places.get(root(v))!, end);
  // a state tensor is read by nobody after the call unless it is itself a result
  const outputs = new Set([...graph.outputs.values()].map((v) => places.get(root(v))!));

  // places that share: the later one is an alias of the earlier
  const alias = new Map<Place, Place>();
  const final = (p: Place): Place => {
    let at = p;
    for (let next = alias.get(at); next !== undefined; next = alias.get(at)) at = next;
    return at;
  };
  const inputCount = (node: number, p: Place) => graph.nodes[node].inputs.filter((v) => final(places.get(root(v))!) === p).length;
  const mayOverwrite = (input: Place, output: Place, node: number): boolean =>
    input.bytes === output.bytes && life.get(input)?.last === node && life.get(output)?.first === node && inputCount(node, input) === 1;

  // a next state takes its state tensor's place when nobody reads the old value later
  const replaced: Copy[] = [];
  for (const [name, v] of graph.nextState) {
    const next = places.get(root(v))!;
    const old = places.get(root(graph.state.get(name)!))!;
    if (next === old) continue;
    const pair = lowered.inPlace.find((p) => p.output === next && p.input === old);
    const free = !address.has(next) && !alias.has(next) && !outputs.has(old);
    if (free && ((pair !== undefined && mayOverwrite(old, next, pair.node)) || (life.get(old)?.last ?? -1) < (life.get(next)?.first ?? 0))) {
      alias.set(next, old);
      life.set(old, { first: 0, last: end });
    } else {
      replaced.push({ from: next, to: old });
    }
  }
  // all moves read before any writes: a state tensor that becomes another's next value goes through a buffer
  const staged = replaced.map((m) => (address.has(m.from) ? { bytes: m.from.bytes } : m.from));
  for (const p of staged) if (!life.has(p)) life.set(p, { first: end, last: end });
  for (const { output, input, node } of lowered.inPlace) {
    const target = final(input);
    if (alias.has(output) || address.has(output) || address.has(target) || target === final(output)) continue;
    if (!mayOverwrite(target, output, node)) continue;
    alias.set(output, target);
    life.get(target)!.last = life.get(output)!.last;
  }

  const arenaBytes: number[] = [];
  let waiting = [...life.keys()].filter((p) => !alias.has(p) && !address.has(p));
  while (waiting.length > 0) {
    const plan = planMemory(waiting.map((p) => ({ bytes: p.bytes, ...life.get(p)! })), alignment);
    const fits = waiting.map((p, i) => plan.offsets[i] + p.bytes <= limit || plan.offsets[i] === 0);
    const arena = arenaBytes.length;
    waiting.forEach((p, i) => fits[i] && address.set(p, inArena({ arena, offset: plan.offsets[i] })));
    arenaBytes.push(Math.max(...waiting.map((p, i) => (fits[i] ? Math.ceil((plan.offsets[i] + p.bytes) / alignment) * alignment : 0))));
    waiting = waiting.filter((_, i) => !fits[i]);
  }
  for (const p of alias.keys()) address.set(p, address.get(final(p))!);
  const moves = [...replaced.flatMap((m, i) => (staged[i] === m.from ? [] : [{ from: m.from, to: staged[i] }])), ...replaced.map((m, i) => ({ from: staged[i], to: m.to }))];
  const needed = launches.filter(({ copy }) => copy === undefined || address.get(copy.from) !== address.get(copy.to));
  return { address, launches: needed, arenaBytes, moves };
}
