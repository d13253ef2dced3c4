import { spawn } from 'node:child_process';
import { IMPORT_ENTRY } from '#deploy/local/import-model.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { choiceOption, numberOption } from '../values.js';

/** `zmesh model import`: starts the inference service's import program. */
export const modelImport = defineCommand({
  path: 'model import',
  summary: 'prepare a Hugging Face folder for serving: the SVD of every adapted weight',
  usage: '<folder>',
  positionals: { min: 1, max: 1 },
  options: {
    name: { type: 'string', value: 'NAME', help: 'name of the model (default: the folder’s)' },
    adapt: {
      type: 'string',
      value: 'WHAT',
      help: 'mlp or all: which linear layers experts may adapt (default mlp)',
    },
    jobs: { type: 'string', value: 'N', help: 'matrices at once (default: by cores and memory)' },
    replace: { type: 'boolean', help: 'replace another model that is prepared under the name' },
  },
  examples: [
    'model import ~/models/SmolLM2-135M-Instruct',
    'model import ./my-model --name mine --adapt all --jobs 2',
  ],
  notes: [
    'It can be interrupted at any time and goes on where it was. Architectures: llama, mistral, qwen2, qwen3.',
  ],
  async run({ values, positionals, io }) {
    const adapt = choiceOption('adapt', values.adapt, ['mlp', 'all']);
    const jobs = numberOption('jobs', values.jobs, { min: 1, max: 256, integer: true });
    const args = [
      positionals[0]!,
      ...(values.name === undefined ? [] : ['--name', values.name]),
      ...(adapt === undefined ? [] : ['--adapt', adapt]),
      ...(jobs === undefined ? [] : ['--jobs', String(jobs)]),
      ...(values.replace ? ['--replace'] : []),
      ...(values.json ? ['--json'] : []),
    ];
    if (positionals[0]!.startsWith('-')) throw new UsageError(`"${positionals[0]}" is not a folder`);
    // The program draws its own progress; a Ctrl-C in the terminal reaches it too.
    const child = spawn(process.execPath, [IMPORT_ENTRY, ...args], { env: io.env, stdio: 'inherit' });
    const status = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => resolve(code ?? EXIT.interrupted));
    });
    if (status === EXIT.ok && !values.json)
      io.err.write('serve it: zmesh up --model <name> (see "zmesh model list")\n');
    return status;
  },
});
