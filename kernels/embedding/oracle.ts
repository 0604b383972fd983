/** Embedding in plain loops: rows of a table by id, and the sum of gradients by id. An id outside the table is a row of zeros. */
import { zeros, type NdArray } from '../nd-array.ts';

/** y [..., D] */
export function embedding(table: NdArray, ids: NdArray): NdArray {
  const [V, D] = table.shape as [number, number];
  const y = zeros(...ids.shape, D);
  ids.data.forEach((id, i) => {
    for (let d = 0; d < D; d++) y.data[i * D + d] = id >= 0 && id < V ? table.data[id * D + d] : 0;
  });
  return y;
}

/** The table's gradient [V,D]. */
export function embeddingGradient(ids: NdArray, dy: NdArray, V: number): NdArray {
  const D = dy.shape.at(-1)!;
  const sum = zeros(V, D);
  ids.data.forEach((id, i) => {
    if (id < 0 || id >= V) return;
    for (let d = 0; d < D; d++) sum.data[id * D + d] += dy.data[i * D + d];
  });
  return sum;
}
