import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { type RunningNatsServer, startNatsServer } from '#deploy/local/nats-server/start.js';
import { startServiceProcess } from '#deploy/local/service-process.js';
import type { Incarnation } from '#deploy/local/supervise.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import type { Cleanup } from '../support/cleanup.js';
import type { ServiceName } from './methods.js';

/** A model without tokenizer and template. */
export const TOKENS_ONLY = 'tiny';
/** The embedded model with a template that refuses the role `refused`. */
export const STRICT = 'strict';

/** One service of a hostile test's mesh. */
export interface Service extends Incarnation {
  readonly address: string;
  readonly logFile: string;
}

/** Prepared models and a nats-server, to start services from. */
export interface Ground {
  readonly nats: RunningNatsServer;
  /** Starts another nats-server, empty; it is stopped in the end. */
  startNats(): Promise<RunningNatsServer>;
  /** Starts a service in a process of its own; it is stopped in the end. */
  start(name: ServiceName, env: NodeJS.ProcessEnv): Promise<Service>;
}

/** Prepares the models and starts nats-server, all in a folder that goes away in the end. */
export async function prepareGround(t: Cleanup): Promise<Ground> {
  const home = await mkdtemp(join(tmpdir(), 'zmesh-hostile-'));
  t.after(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const { path } = await ensureNatsServer({ home: zmeshHome(), log });
  const nats = await startNatsServer({ path, storeDir: join(home, 'nats') });
  t.after(() => nats.stop());
  const strict = await strictFolder(join(home, STRICT));
  for (const [folder, name] of [
    [EMBEDDED_FOLDER, EMBEDDED_MODEL],
    [join(projectRoot, 'tests/golden/models/qwen3-qknorm'), TOKENS_ONLY],
    [strict, STRICT],
  ] as const) {
    const program = join(projectRoot, 'dist/services/inference/import.js');
    await promisify(execFile)(process.execPath, [program, folder, '--name', name], {
      env: { ...process.env, ZMESH_HOME: home },
    });
  }
  let started = 0;
  return {
    nats,
    async startNats() {
      const own = await startNatsServer({ path, storeDir: await mkdtemp(join(home, 'nats-')) });
      t.after(() => own.stop());
      return own;
    },
    async start(name, env) {
      started += 1;
      const logFile = join(home, `${started}-${name}.log`);
      const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
      const own = {
        ZMESH_HOME: home,
        ZMESH_NATS_URL: nats.url,
        ZMESH_LOG_LEVEL: 'error',
        ZMESH_TRACE_SINK: '',
      };
      const service = await startServiceProcess({
        name,
        entry: join(projectRoot, 'dist/services', name, 'main.js'),
        env: { ...outer, ...own, ...env },
        logFile,
        signal: new AbortController().signal,
      });
      t.after(() => service.stop());
      return { ...service, address: service.address!, logFile };
    },
  };
}

/** The embedded model's folder with a template of its own. */
async function strictFolder(folder: string): Promise<string> {
  await mkdir(folder);
  for (const file of ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json'])
    await cp(join(EMBEDDED_FOLDER, file), join(folder, file));
  const config = JSON.parse(await readFile(join(EMBEDDED_FOLDER, 'tokenizer_config.json'), 'utf8'));
  const refusal = "{% if messages[0]['role'] == 'refused' %}{{ raise_exception('no such role') }}{% endif %}";
  config.chat_template = refusal + config.chat_template;
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}
