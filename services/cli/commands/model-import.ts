import { IMPORT_ENTRY } from '#deploy/local/import-model.js';
import { defineCommand, UsageError } from '../command.js';
import { PREPARE_OPTIONS, prepareArguments, runPrepareProgram } from '../prepare-program.js';

/** `zmesh model import`: starts the inference service's import program. */
export const modelImport = defineCommand({
  path: 'model import',
  summary: 'prepare a Hugging Face folder or a GGUF file for serving: the SVD of every adapted weight',
  usage: '<folder | file.gguf>',
  positionals: { min: 1, max: 1 },
  options: PREPARE_OPTIONS,
  examples: [
    'model import ~/models/SmolLM2-135M-Instruct',
    'model import ./my-model --name mine --adapt all --jobs 2',
  ],
  notes: [
    'It can be interrupted at any time and goes on where it was. Architectures: llama, mistral, qwen2, qwen3.',
  ],
  async run({ values, positionals, io }) {
    if (positionals[0]!.startsWith('-')) throw new UsageError(`"${positionals[0]}" is not a folder or file`);
    const args = [positionals[0]!, ...prepareArguments(values)];
    return runPrepareProgram(IMPORT_ENTRY, args, { io, json: values.json });
  },
});
