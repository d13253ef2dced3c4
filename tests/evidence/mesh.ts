import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { importModel } from '#deploy/local/import-model.js';
import { type LocalMesh, startMesh } from '#deploy/local/runner.js';
import { LOCAL_SETTINGS } from '#deploy/local/settings.js';
import { Sampling } from '#proto/zmesh/v1/common.js';
import { DispatcherServiceService, GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { loadSettings } from '#shared/config.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { loadTask } from '#shared/tasks/load-task.js';
import type { Split, TaskItem, TaskSplit } from '#shared/tasks/task.js';

/** The real model, as `zmesh model fetch` names it. */
export const REAL_MODEL = 'smollm2-135m';

/** The embedded model with every linear factored, attention's too; served beside it where asked for. */
export const WIDE_MODEL = 'octo-nano-all';

/** Calls that may fail before the mesh answers, a second apart. */
const FIRST_CALLS = 30;

/** A mesh to gather evidence on. */
export interface EvidenceMesh {
  readonly dispatcher: RpcClient<DispatcherServiceService>;
  readonly trainer: RpcClient<TrainerServiceService>;
  stop(): Promise<void>;
}

/** Folder of everything that evidence runs keep. */
export function evidenceHome(): string {
  return join(zmeshHome(), 'evidence');
}

/**
 * Starts a mesh of its own, whose registry and runs stay between evidence runs. With `real` it serves the real model alone, which
 * is fetched and prepared first if it is not there; with `wide` also the embedded one with attention factored.
 */
export async function startEvidenceMesh(
  say: (line: string) => void,
  { real, wide, signal }: { readonly real: boolean; readonly wide: boolean; readonly signal: AbortSignal },
): Promise<EvidenceMesh> {
  const home = evidenceHome();
  const env = {
    ...process.env,
    ZMESH_HOME: home,
    ZMESH_LOG_LEVEL: 'warn',
    ...(real ? { ZMESH_INFERENCE_THREADS: String(availableParallelism()) } : {}),
  };
  if (real) await fetchReal(home, env);
  if (wide && !real) await prepareWide(home, say);
  const models = real ? [REAL_MODEL] : [EMBEDDED_MODEL, ...(wide ? [WIDE_MODEL] : [])];
  const settings = loadSettings(LOCAL_SETTINGS, { ZMESH_INFERENCE_MODELS: models.join(',') });
  const mesh: LocalMesh = await startMesh({ home, settings, env, say, progress: say, signal });
  const { addresses } = mesh;
  const dispatcher = connect(DispatcherServiceService, {
    address: addresses.dispatcher,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
  const trainer = connect(TrainerServiceService, {
    address: addresses.trainer,
    unavailable: 'TRAINER_UNAVAILABLE',
  });
  await untilAnswering(dispatcher, real ? REAL_MODEL : EMBEDDED_MODEL, signal);
  return {
    dispatcher,
    trainer,
    async stop() {
      dispatcher.close();
      trainer.close();
      await mesh.stop();
    },
  };
}

/** Asks until an answer comes: on a busy machine the first calls may find threads that have not begun yet. */
async function untilAnswering(
  dispatcher: RpcClient<DispatcherServiceService>,
  model: string,
  signal: AbortSignal,
): Promise<void> {
  const messages = [{ role: 'user', content: '1 + 1?' }];
  const request = GenerateRequest.create({
    model,
    prompt: { input: { $case: 'chat', value: { messages } } },
    strategy: { kind: { $case: 'none', value: {} } },
    sampling: Sampling.create({ maxTokens: 1 }),
  });
  for (let left = FIRST_CALLS; ; left--) {
    try {
      await dispatcher.complete({ request }, { signal });
      return;
    } catch (error) {
      if (ZmeshError.from(error).code !== 'UNAVAILABLE' || left === 0) throw error;
      await sleep(1000, signal);
    }
  }
}

async function fetchReal(home: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (existsSync(join(home, 'models', REAL_MODEL))) return;
  const command = join(projectRoot, 'dist/services/cli/main.js');
  const child = spawn(process.execPath, [command, 'model', 'fetch', REAL_MODEL], {
    env,
    stdio: ['ignore', 2, 2],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${REAL_MODEL} could not be fetched`);
}

async function prepareWide(home: string, say: (line: string) => void): Promise<void> {
  let last = '';
  const status = await importModel({
    args: [EMBEDDED_FOLDER, '--name', WIDE_MODEL, '--adapt', 'all'],
    home,
    onEvent: ({ message }) => {
      last = message ?? last;
    },
    onLine: (line) => {
      last = line;
    },
  });
  if (status !== 0) throw new Error(`${WIDE_MODEL} could not be prepared: ${last || `status ${status}`}`);
  say(`model ${WIDE_MODEL}: prepared`);
}

/** Questions of a demo task's split, the first ones. */
export async function questionsOf(
  task: string,
  split: Split,
  count = Number.POSITIVE_INFINITY,
): Promise<TaskItem[]> {
  const { splits } = await loadTask(join(EMBEDDED_FOLDER, 'tasks', task));
  return splits[split].slice(0, count);
}

/** Test questions of demo tasks. */
export function testTasks(tasks: readonly string[], count: number): Promise<TaskSplit[]> {
  return Promise.all(tasks.map(async (name) => ({ name, items: await questionsOf(name, 'test', count) })));
}
