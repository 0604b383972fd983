import { closeSync, openSync, readSync } from 'node:fs';
import { RecallbenchError } from '#core/errors.ts';

/** Some bytes of a file, read again whenever they are asked for: what is too much to be kept in memory. */
export class FileSlice {
  constructor(
    readonly path: string,
    readonly position: number,
    readonly length: number,
  ) {}

  /** Throws E_STORE where the file is gone, or shorter by now. */
  text(): string {
    const bytes = Buffer.allocUnsafe(this.length);
    let file: number | undefined;
    try {
      file = openSync(this.path, 'r');
      let length = 0;
      for (let n = 1; n > 0 && length < this.length; length += n) n = readSync(file, bytes, length, this.length - length, this.position + length);
      if (length < this.length) throw new Error(`it ends before byte ${this.position + this.length}`);
    } catch (error) {
      throw new RecallbenchError('E_STORE', `${this.path} has changed since it was read: ${(error as Error).message}. Run the command again`, { cause: error });
    } finally {
      if (file !== undefined) closeSync(file);
    }
    return bytes.toString('utf8');
  }
}
