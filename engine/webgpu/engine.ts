/** The GPU engine: captured programs as WGSL pipelines on Dawn, built once and replayed every step. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { RecallbenchError } from '#core/errors.ts';
import { packageVersion } from '#core/package-info.ts';
import { capture } from '../capture/capture.ts';
import type { Engine, EngineDescription, EngineEntry, Executable, HostTensors, Program, Results } from '../engine.ts';
import type { GpuKernel } from '../fused-op.ts';
import { print, root, type Value } from '../graph/graph.ts';
import { PlacedOperand, type Place } from '../graph/lowering.ts';
import { optimise } from '../graph/passes.ts';
import { assignPlaces, type ArenaAddress } from '../graph/placement.ts';
import { sizeOf, specOf, type DType, type TensorSpec } from '../tensor-spec.ts';
import { inspectGpus, openGpu, type OpenGpu, type WebgpuOptions } from './adapter.ts';
import { lower } from './lower.ts';

/** every binding starts at a multiple of this many bytes */
const ALIGNMENT = 256;
/** calls that are submitted together, and launches after which that is enough, unless somebody reads earlier */
const BATCH = { calls: 8, launches: 500 };

/** elements that are written at a time */
const WRITE = 2 ** 25;

const padded = (bytes: number): number => Math.ceil(Math.max(4, bytes) / ALIGNMENT) * ALIGNMENT;

/** Part of a buffer. */
interface Span {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/** Where a place is: for good, or in an arena, whose buffer may be replaced by a larger one. */
type Address = Span | ArenaAddress;

interface Resident extends Span {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

interface Launch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly x: number;
  readonly y: number;
}

interface Compiled {
  readonly inputs: ReadonlyMap<string, { readonly place: Place; readonly slot: number; readonly bytes: number }>;
  readonly outputs: ReadonlyMap<string, { readonly place: Place; readonly slot: number; readonly shape: readonly number[]; readonly dtype: DType }>;
  /** bytes of the inputs, and of the outputs, of one call */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly address: (place: Place) => Span;
  readonly moves: readonly { readonly from: Place; readonly to: Place }[];
  /** made anew when an arena has moved */
  readonly bind: () => Launch[];
  launches: Launch[];
  generation: number;
  readonly milliseconds: Float64Array | undefined;
  /** where in the outputs of a call the GPU's clock before and after it stands, if calls are timed */
  readonly times: number | undefined;
}

/** Calls that are submitted together: their outputs come back in one buffer. */
interface Batch {
  readonly done: Promise<ArrayBuffer>;
  readonly finish: (data: Promise<ArrayBuffer>) => void;
  readonly commands: GPUCommandBuffer[];
  launches: number;
}

const hostView = (dtype: DType, data: ArrayBuffer, offset: number, size: number): Float32Array | Int32Array =>
  dtype === 'int32' ? new Int32Array(data, offset, size).slice() : new Float32Array(data, offset, size).slice();

const outOfMemory = (name: string, error: GPUError): RecallbenchError =>
  new RecallbenchError('E_MEMORY', `the GPU ${name} is out of memory: ${error.message}. Remedy: a smaller batch, or --engine wasm.`);

/** What all executables of an open device share: pipelines by their text, and the first failure. */
class Device {
  readonly gpu: OpenGpu;
  readonly #layouts = new Map<number, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  failure: RecallbenchError | undefined;

  constructor(gpu: OpenGpu) {
    this.gpu = gpu;
    gpu.device.addEventListener('uncapturederror', (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      this.failure ??=
        error instanceof GPUOutOfMemoryError
          ? outOfMemory(gpu.name, error)
          : new RecallbenchError('E_RUN', `the GPU refused a command: ${error.message}`);
    });
  }

  /** Throws what went wrong so far. */
  check(): void {
    const lost = this.gpu.lost();
    if (lost !== undefined) throw new RecallbenchError('E_DEVICE', `the GPU ${this.gpu.name} was lost: ${lost}. Remedy: run again (finished points are kept), with a smaller batch if it happens again.`);
    if (this.failure !== undefined) throw this.failure;
  }

  layout(bindings: number): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    let layout = this.#layouts.get(bindings);
    if (layout === undefined) {
      const { device } = this.gpu;
      const group = device.createBindGroupLayout({ entries: Array.from({ length: bindings }, (_, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'storage' } })) });
      layout = { group, pipeline: device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(bindings, layout);
    }
    return layout;
  }

  /** The pipeline of a shader, compiled once. E_OP with the compiler's words and the text where it does not compile. */
  pipeline(name: string, code: string, bindings: number): Promise<GPUComputePipeline> {
    let pipeline = this.#pipelines.get(code);
    if (pipeline === undefined) {
      pipeline = this.#compile(name, code, bindings);
      this.#pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  async #compile(name: string, code: string, bindings: number): Promise<GPUComputePipeline> {
    const { device } = this.gpu;
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code, label: name });
    const invalid = device.popErrorScope();
    const { messages } = await module.getCompilationInfo();
    const wrong = messages.find((m) => m.type === 'error');
    if ((await invalid) !== null || wrong !== undefined) {
      const line = wrong === undefined ? '' : ` at line ${wrong.lineNum}: ${code.split('\n')[wrong.lineNum - 1]?.trim()}`;
      throw new RecallbenchError('E_OP', `kernel ${name} does not compile${line}: ${wrong?.message ?? (await invalid)?.message}`);
    }
    try {
      return await device.createComputePipelineAsync({ label: name, layout: this.layout(bindings).pipeline, compute: { module, entryPoint: 'main' } });
    } catch (error) {
      throw new RecallbenchError('E_OP', `kernel ${name} does not run on ${this.gpu.name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

class WebgpuExecutable implements Executable {
  readonly #device: Device;
  readonly #program: Program;
  readonly #options: WebgpuOptions;
  readonly #buffers = new Set<GPUBuffer>();
  readonly #state = new Map<string, Resident>();
  readonly #compiled = new Map<string, Promise<Compiled>>();
  readonly #ready = new Map<string, Compiled>();
  #arenas: GPUBuffer[] = [];
  /** counts how often arenas moved */
  #generation = 0;
  #bytes = 0;
  /** a ring of inputs not yet submitted, and one of outputs not yet fetched */
  #staging: { upload: GPUBuffer; used: number } | undefined;
  #outbox: { buffer: GPUBuffer; used: number } | undefined;
  #batch: Batch | undefined;
  readonly #readers: GPUBuffer[] = [];
  /** calls that wait for a compilation, so that all keep their order */
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;
  readonly #kernels = new Map<string, readonly string[]>();
  /** the GPU's clock before and after a call, where calls are timed; calls follow one another on the GPU, so one pair does for all */
  readonly #clock: { readonly queries: GPUQuerySet; readonly ticks: GPUBuffer } | undefined;

  constructor(device: Device, program: Program, options: WebgpuOptions) {
    this.#device = device;
    this.#program = program;
    this.#options = options;
    if (options.timed === true && device.gpu.timestamps) {
      this.#clock = { queries: device.gpu.device.createQuerySet({ type: 'timestamp', count: 2 }), ticks: this.#create(16, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC) };
    }
    const entries = Object.entries(program.state);
    const spans = this.#reserve(entries.map(([, t]) => 4 * sizeOf(t.shape)));
    entries.forEach(([name, t], i) => this.#state.set(name, { ...spans[i], shape: t.shape, dtype: t.dtype ?? specOf(t).dtype }));
    this.#writeState(program.state);
  }

  #create(bytes: number, usage: number): GPUBuffer {
    const { device } = this.#device.gpu;
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
    const most = usage & GPUBufferUsage.STORAGE ? Math.min(maxBufferSize, maxStorageBufferBindingSize) : maxBufferSize;
    if (bytes > most) throw new RecallbenchError('E_MEMORY', `the program wants a tensor or buffer of ${(bytes / 2 ** 20).toFixed(0)} MiB, but ${this.#device.gpu.name} allows ${(most / 2 ** 20).toFixed(0)} MiB. Remedy: a smaller batch.`);
    const buffer = device.createBuffer({ size: bytes, usage });
    this.#buffers.add(buffer);
    this.#bytes += bytes;
    return buffer;
  }

  #destroy(buffer: GPUBuffer): void {
    this.#buffers.delete(buffer);
    this.#bytes -= buffer.size;
    buffer.destroy();
  }

  /** Room for good, in as few buffers as the device allows. */
  #reserve(sizes: readonly number[]): Span[] {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.gpu.device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const spans: { buffer: number; offset: number }[] = [];
    const totals: number[] = [0];
    for (const size of sizes) {
      if (totals.at(-1)! > 0 && totals.at(-1)! + padded(size) > most) totals.push(0);
      spans.push({ buffer: totals.length - 1, offset: totals.at(-1)! });
      totals[totals.length - 1] += padded(size);
    }
    const buffers = totals.map((bytes) => (bytes === 0 ? undefined : this.#create(bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST)));
    return spans.map(({ buffer, offset }) => ({ buffer: buffers[buffer]!, offset }));
  }

  #growArenas(bytes: readonly number[]): void {
    bytes.forEach((size, i) => {
      const old = this.#arenas[i];
      if (old !== undefined && old.size >= size) return;
      if (old !== undefined) {
        this.#flush();
        this.#destroy(old);
      }
      this.#arenas[i] = this.#create(size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
      this.#generation++;
    });
  }

  async #compile(name: string, inputs: Record<string, TensorSpec>): Promise<Compiled> {
    const { gpu } = this.#device;
    const f = this.#program.functions[name];
    if (f === undefined) throw new RecallbenchError('E_NAME', `the program has no function "${name}". Known: ${Object.keys(this.#program.functions).join(', ')}.`);
    const graph = optimise(capture(f, inputs, Object.fromEntries(this.#state)), { inputs: gpu.capabilities.bindings - 1 });
    const lowered = lower(graph, gpu.capabilities);
    const placeOf = (v: Value): Place => lowered.places.get(root(v))!;
    const fixed = new Map<Place, Address>();
    for (const [k, v] of graph.state) fixed.set(placeOf(v), this.#state.get(k)!);
    const own = [...graph.inputs.values(), ...graph.constants.keys()];
    gpu.device.pushErrorScope('out-of-memory');
    const spans = this.#reserve(own.map((v) => 4 * sizeOf(v.shape)));
    own.forEach((v, i) => fixed.set(placeOf(v), spans[i]));
    for (const [v, data] of graph.constants) this.#write(fixed.get(placeOf(v)) as Span, data);
    const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
    const { address, launches, arenaBytes, moves } = assignPlaces<Address, GpuKernel>(graph, lowered, fixed, (at) => at, { alignment: ALIGNMENT, limit: Math.min(maxBufferSize, maxStorageBufferBindingSize) });
    this.#growArenas(arenaBytes);
    const lack = await gpu.device.popErrorScope();
    if (lack !== null) throw outOfMemory(gpu.name, lack);
    const spanOf = (p: Place): Span => {
      const at = address.get(p)!;
      return 'arena' in at ? { buffer: this.#arenas[at.arena], offset: at.offset } : at;
    };
    const bound = ({ place, offset }: PlacedOperand): Span => {
      const { buffer, offset: start } = spanOf(place);
      return { buffer, offset: start + offset };
    };
    const same = (a: PlacedOperand, b: PlacedOperand): boolean => {
      const [p, q] = [bound(a), bound(b)];
      return p.buffer === q.buffer && p.offset === q.offset;
    };

    const kernels = await Promise.all(
      launches.map(async (kernel) => {
        const { code, operands } = compose(kernel, same, gpu.device.limits.maxComputeWorkgroupsPerDimension);
        return { kernel, operands, pipeline: await this.#device.pipeline(kernel.name, code, operands.length) };
      }),
    );
    const widest = gpu.device.limits.maxComputeWorkgroupsPerDimension;
    const bind = (): Launch[] =>
      kernels.map(({ kernel, operands, pipeline }) => ({
        pipeline,
        x: Math.min(kernel.tasks, widest),
        y: Math.ceil(kernel.tasks / widest),
        bindGroup: gpu.device.createBindGroup({
          layout: this.#device.layout(operands.length).group,
          entries: operands.map((o, binding) => ({ binding, resource: { ...bound(o), size: Math.max(4, o.place.bytes - o.offset) } })),
        }),
      }));
    let inputBytes = 0;
    let outputBytes = 0;
    const take = (bytes: number, kind: 'in' | 'out'): number => {
      const at = kind === 'in' ? inputBytes : outputBytes;
      if (kind === 'in') inputBytes += padded(bytes);
      else outputBytes += padded(bytes);
      return at;
    };
    const names = launches.map((k) => k.name);
    this.#kernels.set(name, names);
    const milliseconds = this.#options.profile === undefined ? undefined : new Float64Array(names.length);
    if (milliseconds !== undefined) this.#options.profile?.({ name, graph: print(graph), kernels: names, milliseconds, arenaBytes: arenaBytes.reduce((a, b) => a + b, 0) });
    return {
      inputs: new Map([...graph.inputs].map(([k, v]) => [k, { place: placeOf(v), bytes: 4 * sizeOf(v.shape), slot: take(4 * sizeOf(v.shape), 'in') }])),
      outputs: new Map([...graph.outputs].map(([k, v]) => [k, { place: placeOf(v), shape: v.shape, dtype: v.dtype, slot: take(4 * sizeOf(v.shape), 'out') }])),
      times: this.#clock === undefined ? undefined : take(16, 'out'),
      inputBytes,
      outputBytes,
      address: spanOf,
      moves,
      bind,
      launches: bind(),
      generation: this.#generation,
      milliseconds,
    };
  }

  run(name: string, inputs: HostTensors): Results {
    this.#device.check();
    const key = `${name}|${Object.entries(inputs).map(([k, t]) => `${k}:${t.shape.join('x')}${specOf(t).dtype}`).join()}`;
    const ready = this.#ready.get(key);
    if (ready !== undefined && this.#waiting === 0) return this.#encode(ready, inputs);
    let compiling = this.#compiled.get(key);
    if (compiling === undefined) {
      compiling = this.#compile(name, Object.fromEntries(Object.entries(inputs).map(([k, t]) => [k, specOf(t)])));
      compiling.then((c) => this.#ready.set(key, c), () => {});
      this.#compiled.set(key, compiling);
    }
    const held = Object.fromEntries(Object.entries(inputs).map(([k, t]) => [k, { ...t, data: t.data.slice() }]));
    const results = this.#inTurn(async () => this.#encode(await compiling, held));
    return { read: async () => (await results).read(), ...(this.#clock !== undefined && { milliseconds: async () => (await results).milliseconds!() }) };
  }

  /** Runs something after all calls that wait. */
  #inTurn<T>(action: () => Promise<T> | T): Promise<T> {
    this.#waiting++;
    const result = this.#last.then(action).finally(() => this.#waiting--);
    // whoever reads the result hears of a failure
    this.#last = result.catch(() => {});
    return result;
  }

  #write({ buffer, offset }: Span, data: Float32Array | Int32Array): void {
    // in pieces: each passes through memory of the driver's
    for (let at = 0; at < data.length; at += WRITE) this.#device.gpu.device.queue.writeBuffer(buffer, offset + 4 * at, data as Float32Array<ArrayBuffer>, at, Math.min(WRITE, data.length - at));
  }

  /** Records one call; it is submitted with others. */
  #encode(c: Compiled, inputs: HostTensors): Results {
    const { device, timestamps } = this.#device.gpu;
    // rings too small for this call are replaced
    if (this.#staging !== undefined && this.#staging.used + c.inputBytes > this.#staging.upload.size) this.#flush();
    if (this.#outbox !== undefined && this.#outbox.used + c.outputBytes > this.#outbox.buffer.size) this.#flush();
    if (c.inputBytes > (this.#staging?.upload.size ?? 0)) {
      if (this.#staging !== undefined) this.#destroy(this.#staging.upload);
      this.#staging = { upload: this.#create(BATCH.calls * c.inputBytes, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST), used: 0 };
    }
    if (c.outputBytes > (this.#outbox?.buffer.size ?? 0)) {
      if (this.#outbox !== undefined) this.#destroy(this.#outbox.buffer);
      this.#outbox = { buffer: this.#create(BATCH.calls * c.outputBytes, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST), used: 0 };
    }
    if (c.generation !== this.#generation) {
      c.launches = c.bind();
      c.generation = this.#generation;
    }
    const encoder = device.createCommandEncoder();
    for (const [k, t] of Object.entries(inputs)) {
      const { place, slot, bytes } = c.inputs.get(k)!;
      const from = this.#staging!.used + slot;
      this.#write({ buffer: this.#staging!.upload, offset: from }, t.data);
      const to = c.address(place);
      encoder.copyBufferToBuffer(this.#staging!.upload, from, to.buffer, to.offset, bytes);
    }
    if (this.#staging !== undefined) this.#staging.used += c.inputBytes;
    if (this.#options.poison === true) for (const arena of this.#arenas) this.#poison(encoder, arena);
    if (c.milliseconds !== undefined && timestamps) this.#timed(encoder, c.launches, c.milliseconds);
    else {
      const pass = encoder.beginComputePass(this.#clock === undefined ? {} : { timestampWrites: { querySet: this.#clock.queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } });
      let pipeline: GPUComputePipeline | undefined;
      for (const l of c.launches) {
        if (l.pipeline !== pipeline) pass.setPipeline((pipeline = l.pipeline));
        pass.setBindGroup(0, l.bindGroup);
        pass.dispatchWorkgroups(l.x, l.y);
      }
      pass.end();
    }
    const base = this.#outbox?.used ?? 0;
    for (const { place, slot } of c.outputs.values()) {
      const from = c.address(place);
      if (place.bytes > 0) encoder.copyBufferToBuffer(from.buffer, from.offset, this.#outbox!.buffer, base + slot, place.bytes);
    }
    if (c.times !== undefined) {
      encoder.resolveQuerySet(this.#clock!.queries, 0, 2, this.#clock!.ticks, 0);
      encoder.copyBufferToBuffer(this.#clock!.ticks, 0, this.#outbox!.buffer, base + c.times, 16);
    }
    // after the outputs: one of them may be the old value of a state tensor
    for (const { from, to } of c.moves) {
      const [a, b] = [c.address(from), c.address(to)];
      encoder.copyBufferToBuffer(a.buffer, a.offset, b.buffer, b.offset, to.bytes);
    }
    if (this.#outbox !== undefined) this.#outbox.used += c.outputBytes;
    const batch = this.#open();
    batch.commands.push(encoder.finish());
    batch.launches += c.launches.length;
    if (batch.commands.length >= BATCH.calls || batch.launches >= BATCH.launches) this.#flush();
    return {
      read: async () => {
        if (this.#batch === batch) this.#flush();
        const data = await batch.done;
        const outputs: HostTensors = {};
        for (const [k, { slot, shape, dtype }] of c.outputs) outputs[k] = { shape, data: hostView(dtype, data, base + slot, sizeOf(shape)) };
        return outputs;
      },
      ...(c.times !== undefined && {
        milliseconds: async () => {
          if (this.#batch === batch) this.#flush();
          const [before, after] = new BigUint64Array(await batch.done, base + c.times!, 2);
          return Number(after - before) / 1e6;
        },
      }),
    };
  }

  #open(): Batch {
    if (this.#batch === undefined) {
      let finish: Batch['finish'];
      const done = new Promise<ArrayBuffer>((resolve) => (finish = resolve));
      done.catch(() => {});
      this.#batch = { done, finish: finish!, commands: [], launches: 0 };
    }
    return this.#batch;
  }

  /** Submits what was recorded and starts to fetch the outputs. */
  #flush(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    const bytes = this.#outbox?.used ?? 0;
    if (this.#staging !== undefined) this.#staging.used = 0;
    if (this.#outbox !== undefined) this.#outbox.used = 0;
    const { device } = this.#device.gpu;
    if (bytes === 0) {
      device.queue.submit(batch.commands);
      return batch.finish(Promise.resolve(new ArrayBuffer(0)));
    }
    const reader = this.#reader(bytes);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.#outbox!.buffer, 0, reader, 0, bytes);
    device.queue.submit([...batch.commands, encoder.finish()]);
    batch.finish(this.#fetch(reader, bytes));
  }

  #reader(bytes: number): GPUBuffer {
    const at = this.#readers.findIndex((r) => r.size >= bytes);
    return at >= 0 ? this.#readers.splice(at, 1)[0] : this.#create(bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  async #fetch(reader: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await reader.mapAsync(GPUMapMode.READ, 0, bytes);
    } catch (error) {
      this.#device.check();
      throw new RecallbenchError('E_RUN', `results did not come back from the GPU: ${(error as Error).message}`, { cause: error });
    }
    const data = reader.getMappedRange(0, bytes).slice(0);
    reader.unmap();
    this.#readers.push(reader);
    this.#device.check();
    return data;
  }

  async readState(): Promise<HostTensors> {
    return this.#inTurn(async () => {
      this.#flush();
      const { device } = this.#device.gpu;
      const encoder = device.createCommandEncoder();
      let bytes = 0;
      const slots = [...this.#state].map(([k, r]) => {
        const slot = { k, r, at: bytes };
        bytes += padded(4 * sizeOf(r.shape));
        return slot;
      });
      if (bytes === 0) return {};
      const reader = this.#reader(bytes);
      for (const { r, at } of slots) if (sizeOf(r.shape) > 0) encoder.copyBufferToBuffer(r.buffer, r.offset, reader, at, 4 * sizeOf(r.shape));
      device.queue.submit([encoder.finish()]);
      const data = await this.#fetch(reader, bytes);
      return Object.fromEntries(slots.map(({ k, r, at }) => [k, { shape: r.shape, data: hostView(r.dtype, data, at, sizeOf(r.shape)) }]));
    });
  }

  writeState(state: HostTensors): void {
    if (this.#waiting === 0) return this.#writeState(state);
    const held = Object.fromEntries(Object.entries(state).map(([k, t]) => [k, { ...t, data: t.data.slice() }]));
    void this.#inTurn(() => this.#writeState(held));
  }

  #writeState(state: HostTensors): void {
    this.#flush();
    for (const [name, t] of Object.entries(state)) {
      const r = this.#state.get(name);
      if (r === undefined) throw new RecallbenchError('E_NAME', `the program has no state "${name}"`);
      if (sizeOf(r.shape) !== t.data.length) throw new RecallbenchError('E_SHAPE', `state "${name}" is [${r.shape}], not [${t.shape}]`);
      this.#write(r, t.data);
    }
  }

  #poison(encoder: GPUCommandEncoder, arena: GPUBuffer): void {
    const { device } = this.#device.gpu;
    const nan = device.createBuffer({ size: arena.size, usage: GPUBufferUsage.COPY_SRC, mappedAtCreation: true });
    new Uint32Array(nan.getMappedRange()).fill(0x7fc00000);
    nan.unmap();
    encoder.copyBufferToBuffer(nan, 0, arena, 0, arena.size);
  }

  /** Every launch in a pass of its own, with the device's clock before and after. */
  #timed(encoder: GPUCommandEncoder, launches: readonly Launch[], milliseconds: Float64Array): void {
    const { device } = this.#device.gpu;
    // a query set holds 4096
    const sets = Array.from({ length: Math.ceil(launches.length / 2048) }, () => device.createQuerySet({ type: 'timestamp', count: 4096 }));
    const times = device.createBuffer({ size: sets.length * 4096 * 8, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const reader = device.createBuffer({ size: times.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    launches.forEach((l, i) => {
      const at = 2 * (i % 2048);
      const pass = encoder.beginComputePass({ timestampWrites: { querySet: sets[Math.floor(i / 2048)], beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 } });
      pass.setPipeline(l.pipeline);
      pass.setBindGroup(0, l.bindGroup);
      pass.dispatchWorkgroups(l.x, l.y);
      pass.end();
    });
    sets.forEach((set, i) => encoder.resolveQuerySet(set, 0, 4096, times, i * 4096 * 8));
    encoder.copyBufferToBuffer(times, 0, reader, 0, times.size);
    void this.#open().done.then(async () => {
      await reader.mapAsync(GPUMapMode.READ);
      const ticks = new BigUint64Array(reader.getMappedRange());
      launches.forEach((_, i) => (milliseconds[i] += Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6));
      for (const b of [times, reader]) b.destroy();
      for (const s of sets) s.destroy();
    }).catch(() => {});
  }

  peakBytes(): number {
    return this.#bytes;
  }

  kernels(name: string): readonly string[] {
    return this.#kernels.get(name) ?? [];
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#flush();
    this.#clock?.queries.destroy();
    // a set may lose what it is at
    for (const buffer of this.#buffers) this.#destroy(buffer);
    this.#ready.clear();
    this.#compiled.clear();
  }
}

/** A kernel's whole text: its bindings declared, those that are one place under one name, and how workgroups are numbered. */
export function compose(kernel: GpuKernel, same: (a: PlacedOperand, b: PlacedOperand) => boolean, widest: number): { code: string; operands: PlacedOperand[] } {
  const operands: PlacedOperand[] = [];
  const names: string[] = [];
  const types: string[] = [];
  let code = kernel.code;
  for (const [name, binding] of Object.entries(kernel.bindings)) {
    const { operand, as } = 'operand' in binding ? binding : { operand: binding, as: undefined };
    if (!(operand instanceof PlacedOperand) || !operand.used) throw new RecallbenchError('E_OP', `kernel ${kernel.name} binds ${name}, which nobody reads`);
    const type = as ?? (operand.dtype === 'int32' ? 'i32' : 'f32');
    const at = operands.findIndex((o) => same(o, operand));
    if (at < 0) {
      operands.push(operand);
      names.push(name);
      types.push(type);
      continue;
    }
    if (types[at] !== type) throw new RecallbenchError('E_OP', `kernel ${kernel.name} binds one tensor as ${types[at]} (${names[at]}) and as ${type} (${name})`);
    // not the components of vectors, which may have the same name
    code = code.replaceAll(new RegExp(`(?<!\\.)\\b${name}\\b`, 'g'), names[at]);
  }
  // directives come first in WGSL
  const directives = code.match(/^\s*(enable|requires|diagnostic)\b.*;$/gm) ?? [];
  const body = code.replaceAll(/^\s*(enable|requires|diagnostic)\b.*;$/gm, '');
  const bindings = names.map((name, i) => `@group(0) @binding(${i}) var<storage, read_write> ${name}: array<${types[i]}>;`);
  const head = [`const TASKS = ${kernel.tasks}u;`, `fn task_of(group: vec3u) -> u32 { return group.x + group.y * ${Math.min(kernel.tasks, widest)}u; }`];
  return { code: [...directives, ...bindings, ...head, body].join('\n'), operands };
}

/** Version of the installed package `webgpu`, whose releases are Dawn's. */
function dawnVersion(): string {
  try {
    const path = createRequire(import.meta.url).resolve('webgpu/package.json');
    return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}

/** Opens the engine on the best adapter. Errors: E_ENGINE with the remedy, E_CONFIG where mixed precision is not to be had. */
export async function openWebgpu(options: WebgpuOptions = {}): Promise<Engine> {
  const gpu = await openGpu(options);
  const device = new Device(gpu);
  const executables = new Set<WebgpuExecutable>();
  const { capabilities } = gpu;
  const describe = (): EngineDescription => ({
    engine: 'webgpu',
    adapter: gpu.name,
    driver: gpu.driver,
    precision: capabilities.precision,
    features: [
      ...(gpu.software ? ['software'] : []),
      ...(capabilities.subgroups === undefined ? [] : [`subgroups-${capabilities.subgroups.min}-${capabilities.subgroups.max}`]),
      ...(capabilities.f16 ? ['f16'] : []),
      ...(capabilities.subgroupMatrices.length > 0 ? ['subgroup-matrix'] : []),
      ...(gpu.timestamps ? ['timestamps'] : []),
    ],
    versions: { recallbench: packageVersion, webgpu: dawnVersion(), node: process.versions.node },
  });
  return {
    name: 'webgpu',
    describe,
    compile: (program: Program) => {
      const executable = new WebgpuExecutable(device, program, options);
      executables.add(executable);
      const dispose = executable.dispose.bind(executable);
      executable.dispose = () => {
        dispose();
        executables.delete(executable);
      };
      return executable;
    },
    close: async () => {
      for (const e of executables) e.dispose();
      await gpu.device.queue.onSubmittedWorkDone().catch(() => {});
      gpu.close();
    },
  };
}

export const webgpu: EngineEntry<'webgpu'> = {
  name: 'webgpu',
  summary: 'any GPU through WebGPU (Dawn): NVIDIA, AMD, Intel, Apple, no CUDA toolkit',
  available: async () => {
    try {
      const gpu = await openGpu();
      gpu.close();
      return { ok: true, detail: `${gpu.name}${gpu.software ? ' (software)' : ''}`, ...(gpu.software ? { slow: true as const } : {}) };
    } catch (error) {
      const [, reason = String(error), remedy = 'use --engine wasm'] = /^(?:E_\w+: )?(.*?)\.? Remedy: (.*?)\.?$/s.exec((error as Error).message) ?? [undefined, (error as Error).message];
      return { ok: false, reason, remedy };
    }
  },
  inspect: async () => ({ adapters: await inspectGpus() }),
  open: (options) => openWebgpu(options),
};
