// What an engine's worker loads in tests: fakes under the names that `RuntimeSource.create` gives.
import type { RuntimeOptions } from '#services/inference/engine/protocol.js';
import type { Runtime } from '#services/inference/runtime/runtime.js';
import { createFakeRuntime } from './fake-runtime.js';

/** A fake with the vocabulary of the model that is given; `threads` milliseconds a step. */
export async function createTimedFake({ model, threads, kvBytes }: RuntimeOptions): Promise<Runtime> {
  return createFakeRuntime({
    vocabularySize: model.config.vocabularySize,
    contextLength: model.config.contextLength,
    pageCount: kvBytes,
    onStep: () => new Promise((resolve) => setTimeout(resolve, threads)),
  });
}

/** A fake whose thread dies of a fault at its fifth step. */
export async function createDyingFake(options: RuntimeOptions): Promise<Runtime> {
  const fake = await createTimedFake(options);
  let steps = 0;
  return {
    ...fake,
    step(rows, outputs) {
      if (++steps === 5) throw new TypeError('the device is gone');
      return fake.step(rows, outputs);
    },
  };
}

/** One that cannot start. */
export async function createNothing(): Promise<Runtime> {
  throw new Error('no such device');
}
