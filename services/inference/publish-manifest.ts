import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import type { Logger } from '#shared/log.js';
import type { LoadedModel } from './load-model.js';
import { toManifest } from './model/manifest.js';
import type { RegistryClient } from './registry-source.js';

const ATTEMPT_MS = 3000;
const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 10_000;

/**
 * Publishes a model's manifest, trying again while the registry is away. Resolves after the first attempt, whatever came
 * of it, so that a service that starts beside its registry is known there when it says that it is ready; further attempts
 * go on until `signal` aborts. A refusal (the name belongs to another fingerprint) is logged: the base is served all the same.
 */
export async function publishManifest(
  registry: RegistryClient,
  model: LoadedModel,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const manifest = toManifest(model.prepared, model.sigma);
  const attempt = async (): Promise<boolean> => {
    try {
      const { created } = await registry.publishModel({ model: manifest }, { timeoutMs: ATTEMPT_MS, signal });
      log.info({ model: manifest.name, created }, 'manifest published');
      return true;
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      const again = error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED';
      log[again ? 'warn' : 'error'](
        { model: manifest.name, reason: error.reason },
        `manifest: ${error.message}`,
      );
      return !again || signal.aborted;
    }
  };
  if (await attempt()) return;
  void retry(attempt, signal);
}

async function retry(attempt: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  let waitMs = WAIT_MS_MIN;
  do {
    await sleep(waitMs, signal).catch(() => {});
    waitMs = Math.min(WAIT_MS_MAX, waitMs * 2);
  } while (!signal.aborted && !(await attempt()));
}
