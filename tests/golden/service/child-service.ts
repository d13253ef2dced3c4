import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';

/** A service of the product in a process of its own. */
export interface ChildService {
  readonly address: string;
  readonly pid: number;
  /** Drains it; throws if it does not leave with status 0. */
  stop(): Promise<void>;
}

/** Starts a service and waits until it is ready. Throws what it said if it is not. */
export async function startChildService(name: string, env: NodeJS.ProcessEnv): Promise<ChildService> {
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const child = spawn(process.execPath, [join(projectRoot, 'dist/services', name, 'main.js')], {
    env: { ...outer, ZMESH_LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const said = Promise.race([
    once(child, 'message') as Promise<[{ type: string; address?: string; message?: string }]>,
    exited.then(([code]): [{ type: string; address?: string; message?: string }] => [
      { type: 'failed', message: `exit status ${code}` },
    ]),
  ]);
  const [message] = await said;
  if (message.type !== 'ready' || message.address === undefined) {
    await exited;
    throw new Error(`${name} did not start: ${message.message}\n${errors}`);
  }
  return {
    address: message.address,
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exited;
      if (code !== 0) throw new Error(`${name} left with status ${code}\n${errors}`);
    },
  };
}
