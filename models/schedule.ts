/** Learning rates over training. */
export interface Schedule {
  readonly schedule: 'constant' | 'linear' | 'cosine' | 'linear-per-epoch' | 'cosine-per-epoch';
  /** peak learning rate */
  readonly lr: number;
  /** share of all steps spent in linear warm-up */
  readonly warmup: number;
}

/** The part of the peak rate that is left after a share 0 … 1 of the way. */
const linear = (share: number) => 1 - share;
const cosine = (share: number) => (1 + Math.cos(Math.PI * share)) / 2;

/**
 * The learning rate of step 0 … totalSteps−1. Warm-up of w steps: step s has the share (s+1)/w of the rate. The smooth
 * schedules go down over the steps after warm-up; the others once per epoch e of E, counted from the start:
 *
 *     linear-per-epoch  lr·(E − e)/E               the Mamba-2 paper's MQAR: the last of 8 epochs at 1/8
 *     cosine-per-epoch  lr·½(1 + cos(π·e/E))       zoology
 */
export function learningRate({ schedule, lr, warmup }: Schedule, step: number, totalSteps: number, stepsPerEpoch: number): number {
  const warmSteps = Math.round(warmup * totalSteps);
  const warm = step < warmSteps ? (step + 1) / warmSteps : 1;
  const share = Math.max(0, step - warmSteps) / Math.max(1, totalSteps - warmSteps);
  const epochShare = Math.floor(step / stepsPerEpoch) / Math.ceil(totalSteps / stepsPerEpoch);
  switch (schedule) {
    case 'constant':
      return lr * warm;
    case 'linear':
      return lr * warm * linear(share);
    case 'cosine':
      return lr * warm * cosine(share);
    case 'linear-per-epoch':
      return lr * warm * linear(epochShare);
    case 'cosine-per-epoch':
      return lr * warm * cosine(epochShare);
    default:
      return schedule satisfies never;
  }
}
