import { readdir, stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import { denseFile, factorFolder } from './model/prepared-files.js';

/** Share of the memory that a process may use which models may fill; the rest is for prompts, experts and the runtime's work. */
const SHARE_DEFAULT = 0.8;

/** Memory that this process may use: the container's limit where there is one, else the machine's. */
export function availableBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem();
}

/** Bytes of a prepared model's weights: what the runtime holds of them. */
export async function preparedBytes(folder: string): Promise<number> {
  const factors = factorFolder(folder);
  const files = [denseFile(folder), ...(await readdir(factors)).map((name) => join(factors, name))];
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What the models of one process may take together. */
export class MemoryBudget {
  readonly #bytes: number;
  #taken = 0;

  /** @param bytes 0 = SHARE_DEFAULT of what the process may use. */
  constructor(bytes: number) {
    this.#bytes = bytes || Math.floor(SHARE_DEFAULT * availableBytes());
  }

  /** Sets a model's bytes aside. Throws TOO_LARGE with what it needs and what is left. */
  take(
    model: string,
    { weightBytes, kvBytes }: { readonly weightBytes: number; readonly kvBytes: number },
  ): void {
    const needed = weightBytes + kvBytes;
    const left = this.#bytes - this.#taken;
    if (needed > left) {
      const message =
        `model ${model} needs ${megabytes(needed)} (weights ${megabytes(weightBytes)}, keys and values ${megabytes(kvBytes)}), ` +
        `${megabytes(left)} of ${megabytes(this.#bytes)} are left for models`;
      throw new ZmeshError('TOO_LARGE', message, { limit: left, value: needed, names: { model } });
    }
    this.#taken += needed;
  }
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
