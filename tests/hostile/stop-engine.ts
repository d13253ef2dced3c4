/**
 * Loaded into a service with `--import`: ends the engine's thread as soon as the file that `ZMESH_TEST_STOP_ENGINE` names is
 * there, as memory that runs out does. The product is as it is; only its thread goes away.
 */
import { existsSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

const LOOK_MS = 20;
const file = process.env.ZMESH_TEST_STOP_ENGINE;
const isEngine =
  !isMainThread && typeof workerData === 'object' && workerData !== null && 'runtime' in workerData;
if (file && isEngine) {
  setInterval(() => {
    if (existsSync(file)) process.exit(1);
  }, LOOK_MS).unref();
}
