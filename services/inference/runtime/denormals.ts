import { GraphBuilder } from '../graph/builder.js';
import { encodeModel } from '../graph/encode.js';
import { exp } from '../graph/ops.js';
import { openSession } from './session.js';

/**
 * Makes this thread, and every thread that it begins from now on, take numbers below 1.2e-38 (f32) for 0. A hidden key's weight is such a
 * number before the softmax divides by the sum, and x86 computes with them some tens of times slower: a softmax of which half is hidden
 * takes three times as long. No result changes that a f32 sum would notice.
 *
 * ONNX Runtime sets this in the threads of a session's pool, but in the thread that calls `run` only at the process's first session.
 * So a session is opened here, before engines and their threads exist; on Linux a new thread begins with the modes of the one that
 * began it. Elsewhere engines may be slower, and nothing else.
 */
export async function flushDenormals(): Promise<void> {
  const g = new GraphBuilder();
  g.output('y', exp(g, g.input('x', 'float32', [1])));
  const session = await openSession(encodeModel(g, 'denormals'), {
    folder: '.',
    threads: 1,
    prepack: false,
    arena: false,
  });
  await session.release();
}
