/**
 * From a prepared model to its first token, and the memory of serving: `npm run bench -- load [name]` (default octo-nano; the
 * model must be prepared under ZMESH_HOME).
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GenerateTokensRequest, InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { preparedBytes } from '#services/inference/memory-budget.js';
import { preparedFolder } from '#services/inference/model/prepared-files.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import { connect } from '#shared/rpc/client.js';

const ROUNDS = 3;
const KV_BYTES = 64 * 1024 * 1024;
const name = process.argv[2] ?? 'octo-nano';
const weightBytes = await preparedBytes(preparedFolder(zmeshHome(), name));

for (let round = 1; round <= ROUNDS; round++) {
  const started = performance.now();
  const child = fork(join(projectRoot, 'dist/services/inference/main.js'), [], {
    env: {
      ...process.env,
      ZMESH_INFERENCE_MODELS: name,
      ZMESH_INFERENCE_KV_BYTES: String(KV_BYTES),
      ZMESH_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const address = await new Promise<string>((resolve, reject) => {
    child.on('message', (message: { type: string; address?: string; message?: string }) => {
      if (message.type === 'ready') resolve(message.address ?? '');
      else reject(new Error(message.message));
    });
    child.on('exit', (code) => reject(new Error(`the service ended with ${code}`)));
  });
  const readyMs = performance.now() - started;
  const client = connect(InferenceServiceService, { address, unavailable: 'INFERENCE_UNAVAILABLE' });
  const prompt = { input: { $case: 'tokens' as const, value: { ids: [1, 2, 3, 4, 5, 6, 7, 8] } } };
  for await (const _ of client.generateTokens(
    GenerateTokensRequest.create({ prompt, sampling: { maxTokens: 1 } }),
  ))
    break;
  const firstTokenMs = performance.now() - started;
  const residentBytes = memoryOf(child.pid ?? 0);
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  console.log(
    `${name}: ready after ${(readyMs / 1000).toFixed(2)} s, first token after ${(firstTokenMs / 1000).toFixed(2)} s; ` +
      `resident ${megabytes(residentBytes)}, of it ${megabytes(KV_BYTES)} for keys and values: ` +
      `${((residentBytes - KV_BYTES) / weightBytes).toFixed(2)} × the weights (${megabytes(weightBytes)})`,
  );
  client.close();
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}
