/**
 * For tests on a software adapter, preloaded by vitest.config.ts: Dawn's binding polls by setImmediate while anything is under way, which takes a
 * whole core, and the adapter wants every core to compile and compute. Its polls, the only native functions that setImmediate is given, come
 * every millisecond instead.
 */
const { setImmediate: soon, setTimeout: later } = globalThis;

globalThis.setImmediate = Object.assign(
  (callback, ...args) => (Function.prototype.toString.call(callback).endsWith('{ [native code] }') ? later(callback, 1, ...args) : soon(callback, ...args)),
  soon,
);
