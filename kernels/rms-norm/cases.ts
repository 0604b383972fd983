/** The data on which every form of the norms is judged. */
import { gaussian, type Case } from '../judge.ts';
import { gatedRmsNorm, rmsNorm } from './op.ts';
import { gatedRmsNormGradientOracle, gatedRmsNormOracle, rmsNormGradientOracle, rmsNormOracle } from './oracle.ts';

export function plain(shape: number[], groups = 1, epsilon = 1e-5): Case {
  const sizes = { epsilon, groups };
  return {
    name: `plain [${shape}], ${groups} groups, ε ${epsilon}`,
    inputs: [gaussian(1, ...shape), gaussian(2, shape.at(-1)!)],
    call: ([x, w]) => [rmsNorm(x, w, sizes)],
    oracle: ([x, w]) => [rmsNormOracle(x, w, sizes)],
    oracleGradient: ([x, w], dy) => rmsNormGradientOracle(x, w, dy, sizes),
  };
}

export function gated(shape: number[], groups = 1, epsilon = 1e-5): Case {
  const sizes = { epsilon, groups };
  return {
    name: `gated [${shape}], ${groups} groups, ε ${epsilon}`,
    inputs: [gaussian(1, ...shape), gaussian(2, ...shape), gaussian(3, shape.at(-1)!)],
    call: ([x, z, w]) => [gatedRmsNorm(x, z, w, sizes)],
    oracle: ([x, z, w]) => [gatedRmsNormOracle(x, z, w, sizes)],
    oracleGradient: ([x, z, w], dy) => gatedRmsNormGradientOracle(x, z, w, dy, sizes),
  };
}

export const cases: readonly Case[] = [plain, gated].flatMap((kind) => [
  kind([1, 1], 1, 0.5),
  kind([3], 1),
  kind([2, 3, 7]),
  kind([1, 63, 64]),
  kind([3, 65, 30], 2),
  kind([130, 12], 3),
  kind([2, 5, 20], 10, 0.1),
  kind([5, 2, 3, 17]),
  // so many rows that a workgroup of a GPU takes several rounds, the last one without rows
  kind([1025, 257]),
  kind([2, 1100], 4),
  kind([77, 40], 2),
  kind([33, 128]),
  kind([5, 1024]),
]);
