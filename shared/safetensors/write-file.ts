import { ZmeshError } from '#shared/errors.js';
import { writeFileAtomically } from './atomic-file.js';
import { layOut, type TensorHead, tensorBytes } from './layout.js';

/** A tensor that is made while the file is written, so that a large one need never be in memory whole. */
export interface TensorSource extends TensorHead {
  /** The elements' bytes in order, little-endian; called once. */
  chunks(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * Writes a safetensors file atomically, tensor by tensor, in the layout of `encodeSafetensors`.
 * @throws ZmeshError TOO_LARGE when the disk is full, WRONG_SHAPE when a source does not fill its shape.
 */
export async function writeSafetensorsFile(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { ordered, head } = layOut(tensors, metadata);
  await writeFileAtomically(path, content(head, ordered));
}

async function* content(head: Uint8Array, tensors: readonly TensorSource[]): AsyncGenerator<Uint8Array> {
  yield head;
  for (const tensor of tensors) {
    let written = 0;
    for await (const chunk of tensor.chunks()) {
      written += chunk.length;
      yield chunk;
    }
    const wanted = tensorBytes(tensor);
    if (written === wanted) continue;
    const message = `tensor \`${tensor.name}\` of shape [${tensor.shape}] takes ${wanted} bytes, ${written} were made`;
    throw new ZmeshError('WRONG_SHAPE', message, { limit: wanted, value: written });
  }
}
