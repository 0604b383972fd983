/** Finds a GPU through Dawn (the package `webgpu`), opens it with all that it has, and says in plain words why not. */
import { RecallbenchError } from '#core/errors.ts';
import type { EngineOptions } from '../engine.ts';
import { LEAST_GPU, type GpuCapabilities } from '../fused-op.ts';

export interface WebgpuOptions extends EngineOptions {
  /** pretend that the device lacks these, so that kernels' other forms are tested */
  readonly without?: readonly ('subgroups' | 'f16' | 'subgroupMatrices')[];
  /** fills arenas with NaN before every run, so that a kernel that reads what nobody wrote is found */
  readonly poison?: boolean;
  /** told of every compiled function, and of the time of each launch where the device has timestamps; reading them stalls */
  readonly profile?: (compiled: { name: string; graph: string; kernels: readonly string[]; milliseconds: Float64Array; arenaBytes: number }) => void;
}

/** An open device and what it is. */
export interface OpenGpu {
  readonly device: GPUDevice;
  readonly adapter: GPUAdapter;
  /** "nvidia-h100-80gb-hbm3" */
  readonly name: string;
  readonly driver: string;
  /** a processor pretending to be a GPU */
  readonly software: boolean;
  readonly capabilities: GpuCapabilities;
  readonly timestamps: boolean;
  /** why the device is gone, once it is */
  readonly lost: () => string | undefined;
  readonly close: () => void;
}

const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query', 'chromium-experimental-subgroup-matrix'] as const;

type Dawn = typeof import('webgpu');
let dawn: Promise<Dawn> | undefined;

/** Dawn's binary, loaded when first wanted. E_ENGINE where the platform has none. */
function loadDawn(): Promise<Dawn> {
  dawn ??= import('webgpu').then(
    (module) => {
      Object.assign(globalThis, module.globals);
      return module;
    },
    (error: unknown) => {
      throw new RecallbenchError('E_ENGINE', `Dawn does not load: ${(error as Error).message.split('\n')[0]}. Remedy: use a platform that the package "webgpu" has a binary for (Linux, macOS, Windows on x64 or arm64), or --engine wasm.`);
    },
  );
  return dawn;
}

/** One instance of Dawn for the process: a second one would load the driver again. Kept, or it is collected under the device. */
const instances = new Map<boolean, GPU>();

async function instance(validate: boolean): Promise<GPU> {
  const { create } = await loadDawn();
  let gpu = instances.get(validate);
  if (gpu === undefined) {
    // kernels write workgroup memory before they read it; zeroing it first costs time, and software adapters seconds of compilation
    const toggles = ['allow_unsafe_apis', 'disable_workgroup_init', 'vulkan_enable_f16_on_nvidia', ...(validate ? [] : ['skip_validation', 'disable_robustness'])];
    gpu = create([`enable-dawn-features=${toggles.join()}`, 'disable-dawn-features=timestamp_quantization']);
    instances.set(validate, gpu);
  }
  return gpu;
}

/** E_ENGINE where an adapter allows less than kernels count on. */
function checkLimits({ info, limits }: GPUAdapter): void {
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup, maxStorageBuffersPerShaderStage } = limits;
  const lacks = ([
    [maxComputeWorkgroupStorageSize, LEAST_GPU.workgroupBytes, 'bytes of workgroup memory'],
    [maxComputeInvocationsPerWorkgroup, LEAST_GPU.workgroupInvocations, 'invocations in a workgroup'],
    [maxStorageBuffersPerShaderStage, LEAST_GPU.bindings, 'storage buffers in a shader'],
  ] as const).filter(([has, least]) => has < least).map(([has, least, what]) => `${has} ${what}, where kernels take ${least}`);
  if (lacks.length === 0) return;
  throw new RecallbenchError('E_ENGINE', `the adapter ${info.device || info.description} allows only ${lacks.join(', and only ')}. Remedy: another GPU or a newer driver, or use --engine wasm.`);
}

/** Opens the GPU. E_ENGINE, with the remedy, where there is none or it allows less than kernels count on; E_CONFIG where the wanted precision is not to be had. */
export async function openGpu(options: WebgpuOptions = {}): Promise<OpenGpu> {
  const gpu = await instance(options.validate ?? false);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) {
    throw new RecallbenchError('E_ENGINE', 'no WebGPU adapter was found. Remedy: install a GPU driver with Vulkan support and the Vulkan loader (libvulkan1 on Debian); in a container, make the driver\'s ICD file visible (VK_DRIVER_FILES) and set XDG_RUNTIME_DIR to any folder; or use --engine wasm.');
  }
  checkLimits(adapter);
  const { info, limits } = adapter;
  const wanted = FEATURES.filter((f) => adapter.features.has(f as GPUFeatureName)) as GPUFeatureName[];
  const requiredLimits: Record<string, number> = {};
  for (const key of [
    'maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX', 'maxComputeWorkgroupSizeY', 'maxComputeWorkgroupSizeZ', 'maxComputeWorkgroupsPerDimension',
  ] as const) requiredLimits[key] = limits[key];
  requiredLimits['minStorageBufferOffsetAlignment'] = 256;
  const device = await adapter.requestDevice({ requiredFeatures: wanted, requiredLimits });
  let reason: string | undefined;
  void device.lost.then((lost) => (reason = lost.message || lost.reason));
  const lacks = new Set(options.without);
  const f16 = device.features.has('shader-f16') && !lacks.has('f16');
  const matrices = device.features.has('chromium-experimental-subgroup-matrix' as GPUFeatureName) && !lacks.has('subgroupMatrices') ? ((info as { subgroupMatrixConfigs?: { componentType: string; resultComponentType: string; M: number; N: number; K: number }[] }).subgroupMatrixConfigs ?? []) : [];
  const precision = options.precision ?? 'fp32';
  if (precision === 'mixed' && !f16) {
    device.destroy();
    throw new RecallbenchError('E_CONFIG', `the adapter ${info.device || info.description} has no float16 shaders, which mixed precision needs. Remedy: leave out --precision.`);
  }
  const capabilities: GpuCapabilities = {
    precision,
    f16,
    ...(device.features.has('subgroups') && !lacks.has('subgroups') ? { subgroups: { min: info.subgroupMinSize ?? 4, max: info.subgroupMaxSize ?? 128 } } : {}),
    subgroupMatrices: matrices
      .filter((m) => /^f(16|32)$/.test(m.componentType) && /^f(16|32)$/.test(m.resultComponentType))
      .map((m) => ({ component: m.componentType as 'f16' | 'f32', result: m.resultComponentType as 'f16' | 'f32', m: m.M, n: m.N, k: m.K })),
    workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    workgroupInvocations: device.limits.maxComputeInvocationsPerWorkgroup,
    bindings: device.limits.maxStorageBuffersPerShaderStage,
  };
  return {
    device,
    adapter,
    // Dawn's `device` is the name in small letters or, where the driver tells none, a number
    name: (/^(0x.*)?$/.test(info.device) ? `${info.vendor} ${info.architecture} ${info.device}`.trim() : info.device) || 'unknown adapter',
    driver: info.description,
    software: info.isFallbackAdapter || /swiftshader|llvmpipe|software|cpu/i.test(`${info.device} ${info.description} ${info.vendor}`),
    capabilities,
    timestamps: device.features.has('timestamp-query'),
    lost: () => reason,
    close: () => device.destroy(),
  };
}

/** Every adapter that is found, with all that it says of itself. */
export async function inspectGpus(): Promise<Record<string, unknown>[]> {
  const gpu = await instance(false);
  const found: GPUAdapter[] = [];
  for (const options of [{ powerPreference: 'high-performance' }, { powerPreference: 'low-power' }, { forceFallbackAdapter: true }] as const) {
    const adapter = await gpu.requestAdapter(options);
    if (adapter !== null && !found.some((a) => a.info.description === adapter.info.description && a.info.device === adapter.info.device)) found.push(adapter);
  }
  const plain = (o: object) => Object.fromEntries(keysOf(o).map((k) => [k, (o as Record<string, unknown>)[k]]));
  return found.map(({ info, features, limits }) => ({ ...plain(info), features: [...features], limits: plain(limits) }));
}

/** Names of properties, inherited getters included. */
function keysOf(o: object): string[] {
  const keys: string[] = [];
  for (const k in o) if (typeof (o as Record<string, unknown>)[k] !== 'function') keys.push(k);
  return keys;
}
