// The engine's thread: onnxruntime blocks its event loop while it computes, so it has one of its own.
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicMs } from '#shared/telemetry/clock.js';
import type { Runtime } from '../runtime/runtime.js';
import { createCore } from './core.js';
import type { FromEngine, RuntimeOptions, ToEngine, WorkerStart } from './protocol.js';

const { runtime: source, limits } = workerData as WorkerStart;
const port = parentPort!;
const module = (await import(source.module)) as Record<string, (options: RuntimeOptions) => Promise<Runtime>>;
const runtime = await module[source.create]!(source.options);
const core = createCore({ runtime, limits, now: monotonicMs, send: (message) => tell(message) });
port.on('message', (message: ToEngine) => core.post(message));
tell({ type: 'ready', info: runtime.info });
await core.run();
await runtime.dispose();
port.close();

function tell(message: FromEngine): void {
  port.postMessage(message);
}
