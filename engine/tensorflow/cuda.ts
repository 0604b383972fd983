/** The CUDA libraries that TensorFlow opens by name when it looks for GPUs, and the GPU's own name. */
import { readFileSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';

/** The driver's own library. */
export const DRIVER = 'libcuda.so.1';

/** What TensorFlow of this version opens besides; without any of them it takes the CPU, and says so on stderr only. */
export function cudaLibraries(tensorflow: string): string[] {
  const [major, minor] = tensorflow.split('.').map(Number);
  const since = (m: number) => major > 2 || minor >= m;
  // CUDA 11 until 2.13, CUDA 12 since; cuDNN 9 since 2.18
  const versions = since(14)
    ? { cudart: '12', cublas: '12', cublasLt: '12', cufft: '11', cusolver: '11', cusparse: '12', cudnn: since(18) ? '9' : '8' }
    : { cudart: '11.0', cublas: '11', cublasLt: '11', cufft: '10', curand: '10', cusolver: '11', cusparse: '11', cudnn: '8' };
  return Object.entries(versions).map(([name, version]) => `lib${name}.so.${version}`);
}

/** Whether the loader has the library or finds it. Node opens any library as if it were an addon, and complains afterwards. */
function opens(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_LAZY);
    return true;
  } catch (error) {
    return !(error as Error).message.includes('cannot open shared object file');
  }
}

/**
 * Those that are not found. To be asked when TensorFlow has looked: what it found beside itself is open then. Without the driver it
 * does not look for the others, so that only the driver can be said to be missing.
 */
export function missingCudaLibraries(tensorflow: string): string[] {
  const libraries = cudaLibraries(tensorflow);
  return opens(DRIVER) ? libraries.filter((library) => !opens(library)) : [DRIVER];
}

/** What the NVIDIA driver says of itself on Linux. */
export function nvidiaDriver(): { readonly gpu?: string; readonly driver?: string } {
  try {
    const root = '/proc/driver/nvidia';
    const [first] = readdirSync(`${root}/gpus`);
    const gpu = /^Model:\s*(.+)$/m.exec(readFileSync(`${root}/gpus/${first}/information`, 'utf8'))?.[1];
    const driver = /Kernel Module\D*([\d.]+)/.exec(readFileSync(`${root}/version`, 'utf8'))?.[1];
    return { ...(gpu === undefined ? {} : { gpu }), ...(driver === undefined ? {} : { driver }) };
  } catch {
    return {};
  }
}
