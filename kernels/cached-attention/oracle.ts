/** Attention of one new token over a cache in float64. */
import { zeros, type NdArray } from '../nd-array.ts';

/** y [B,H,K], keys and values [B,H,C,K] with the new rows; of a sequence whose place is not in 0 … C−1, y is 0 and the cache stays. */
export function cachedAttention(q: NdArray, k: NdArray, v: NdArray, keys: NdArray, values: NdArray, places: NdArray): { y: NdArray; keys: NdArray; values: NdArray } {
  const [B, H, C, K] = keys.shape as [number, number, number, number];
  const y = zeros(B, H, K);
  const nextKeys = { shape: keys.shape, data: keys.data.slice() };
  const nextValues = { shape: values.shape, data: values.data.slice() };
  for (let head = 0; head < B * H; head++) {
    const place = places.data[Math.floor(head / H)];
    if (place < 0 || place >= C) continue;
    const row = (head * C + place) * K;
    for (let c = 0; c < K; c++) {
      nextKeys.data[row + c] = k.data[head * K + c];
      nextValues.data[row + c] = v.data[head * K + c];
    }
    const s: number[] = [];
    for (let j = 0; j <= place; j++) {
      let dot = 0;
      for (let c = 0; c < K; c++) dot += q.data[head * K + c] * nextKeys.data[(head * C + j) * K + c];
      s.push(dot / Math.sqrt(K));
    }
    const most = s.reduce((a, b) => Math.max(a, b));
    const total = s.reduce((sum, x) => sum + Math.exp(x - most), 0);
    for (let j = 0; j <= place; j++) {
      const p = Math.exp(s[j] - most) / total;
      for (let c = 0; c < K; c++) y.data[head * K + c] += p * nextValues.data[(head * C + j) * K + c];
    }
  }
  return { y, keys: nextKeys, values: nextValues };
}
