/** What a plugin imports from 'recallbench' to define tasks and mixers. */
export { z } from '#core/config.ts';
export { RecallbenchError } from '#core/errors.ts';
export { rng, type Stream } from '#core/random.ts';
export { tf, type Tensor } from '#engine/tf.ts';
export { causalAttention } from '#kernels/causal-attention/op.ts';
export { causalConv } from '#kernels/causal-conv/op.ts';
export { deltaRule } from '#kernels/delta-rule/op.ts';
export { longConv } from '#kernels/long-conv/op.ts';
export { gatedRmsNorm, rmsNorm } from '#kernels/rms-norm/op.ts';
export { selectiveScan } from '#kernels/selective-scan/op.ts';
export { ssd } from '#kernels/ssd/op.ts';
export { constant, linear, normal, stepSizeBias, undecayed, uniform } from '#models/initializers.ts';
export { defineMixer, type Appearance, type Mixer, type MixerSizes, type OpenMixer, type Parameter, type Parameters, type Tensors } from '#models/mixer.ts';
export { project } from '#models/projection.ts';
export { shortConvolution, shortConvolutionStep, silu } from '#models/short-convolution.ts';
export { defineTask, UNSCORED, type Example, type OpenTask, type Slice, type Task } from '#tasks/task.ts';
