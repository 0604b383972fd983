/** The delta rule in chunks: a task walks the chunks of one head, with the state in its scratch. Letters as in portable.ts. */
import { gemmBlock } from '../../engine/wasm/assembly/gemm.as';
import { arg } from '../../engine/wasm/assembly/math.as';
import { advance, openHead, prepare, readersOf, solve } from './chunk.as';
import { storeRows } from './rows.as';

/**
 * args: as chunk.as.ts says, then 11 y or 0, 12 final state [B,H,K,V] or 0. A task for each (batch, head). scratch: see the lowering, `forwardFloats`.
 */
export function delta_rule(args: usize, task: i32, scratch: usize): void {
  const h = openHead(args, task, scratch);
  const asks = arg(args, 11) != 0;
  const last = <usize>arg(args, 12);
  const state = h.take(h.Kp * h.Vp);
  const read = h.take(2 * h.C * h.Vp); // Ã S and Q̃ S
  const u = h.take(h.C * h.Vp);
  const spare = h.free;
  memory.fill(state, 0, <usize>h.Kp * h.valueRow);
  for (let t0 = 0; t0 < h.L; t0 += h.C) {
    const n = min(h.C, h.L - t0);
    prepare(h, t0, n, asks, spare);
    const stateful = t0 > 0;
    if (stateful && h.readers > 0) gemmBlock(h.readers, h.Vp, h.Kp, 1, readersOf(h), h.Kp, 1, state, h.Vp, 1, read, h.Vp, false, spare);
    solve(h, stateful ? read : 0, u);
    if (asks) {
      const y = h.asked(read, h.valueRow);
      gemmBlock(n, h.Vp, n, 1, h.asked(h.scores, h.scoreRow), h.Cp, 1, u, h.Vp, 1, y, h.Vp, stateful, spare);
      storeRows(n, h.V, y, h.valueRow, h.value(11), h.valueStep);
    }
    if (t0 + n < h.L || last) advance(h, state, u, state, spare);
  }
  if (last) storeRows(h.K, h.V, state, h.valueRow, last + <usize>task * (<usize>(h.K * h.V) << 2), <usize>h.V << 2);
}
