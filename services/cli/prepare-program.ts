import { spawn } from 'node:child_process';
import { EXIT } from './exit-codes.js';
import type { Io } from './io.js';
import { choiceOption, numberOption } from './values.js';

/** Options of the commands that prepare a model. */
export const PREPARE_OPTIONS = {
  name: { type: 'string', value: 'NAME', help: 'name of the model (default: that of what is given)' },
  adapt: {
    type: 'string',
    value: 'WHAT',
    help: 'mlp or all: which linear layers experts may adapt (default mlp)',
  },
  jobs: { type: 'string', value: 'N', help: 'matrices at once (default: by cores and memory)' },
  replace: { type: 'boolean', help: 'replace another model that is prepared under the name' },
} as const;

/** These options for a program of the inference service. Throws UsageError. */
export function prepareArguments(values: {
  readonly name?: string | undefined;
  readonly adapt?: string | undefined;
  readonly jobs?: string | undefined;
  readonly replace?: boolean | undefined;
  readonly json?: boolean | undefined;
}): string[] {
  const adapt = choiceOption('adapt', values.adapt, ['mlp', 'all']);
  const jobs = numberOption('jobs', values.jobs, { min: 1, max: 256, integer: true });
  return [
    ...(values.name === undefined ? [] : ['--name', values.name]),
    ...(adapt === undefined ? [] : ['--adapt', adapt]),
    ...(jobs === undefined ? [] : ['--jobs', String(jobs)]),
    ...(values.replace ? ['--replace'] : []),
    ...(values.json ? ['--json'] : []),
  ];
}

/** Runs a program that prepares a model, and returns its exit status; after success it says what comes next. */
export async function runPrepareProgram(
  entry: string,
  args: readonly string[],
  { io, json }: { readonly io: Io; readonly json: boolean },
): Promise<number> {
  // The program draws its own progress; a Ctrl-C in the terminal reaches it too.
  const child = spawn(process.execPath, [entry, ...args], { env: io.env, stdio: 'inherit' });
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? EXIT.interrupted));
  });
  if (status === EXIT.ok && !json)
    io.err.write('serve it: zmesh up --model <name> (see "zmesh model list")\n');
  return status;
}
