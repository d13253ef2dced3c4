import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import type { ZmeshClient } from '#shared/client/client.js';
import { readOfficialParameters } from '#shared/experts/official-parameters.js';
import { spectralMatrices } from '#shared/experts/publish.js';
import { formatExpertName, ROUTED_ALIAS } from '#shared/svf/names.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { expertName } from '../experts-columns.js';
import { withModel } from '../full-name.js';
import type { Io } from '../io.js';
import { printEffect, routingEffect } from '../promotion.js';
import { writeJson } from '../render/json.js';
import { choiceOption } from '../values.js';

/** `zmesh experts publish`: a safetensors file of multipliers becomes an immutable version. */
export const expertsPublish = defineCommand({
  path: 'experts publish',
  summary: 'publish a safetensors file of multipliers, or the published code’s parameters, as a version',
  usage: '<file>',
  positionals: { min: 1, max: 1 },
  options: {
    name: { type: 'string', value: 'NAME', help: 'the expert: [model/]name (default: the file’s name)' },
    model: { type: 'string', value: 'NAME', help: 'the model, if the name leaves it out' },
    alias: { type: 'string', value: 'ALIAS', help: `also point this alias to it, e.g. ${ROUTED_ALIAS}` },
    categories: {
      type: 'string',
      value: 'LABELS',
      help: 'labels a classification expert was trained to write: math,code,other',
    },
    kind: { type: 'string', value: 'KIND', help: 'task or classifier (default task)' },
    label: { type: 'string', value: 'LABEL', help: 'the label that routes to it (default: the file’s)' },
    description: { type: 'string', value: 'TEXT', help: 'what the label means (default: the file’s)' },
    normalisation: { type: 'string', value: 'HOW', help: 'none or trace (default: the file’s)' },
    meta: { type: 'string', multiple: true, value: 'NAME=TEXT', help: 'a free fact, beside the file’s' },
    ...REGISTRY_OPTION,
  },
  examples: [
    `experts publish math.safetensors --alias ${ROUTED_ALIAS}`,
    'experts publish learnable_params.pt --name llama3/gsm8k',
    'experts publish run7.safetensors --name octo-nano/math --label math --normalisation none --meta steps=30',
  ],
  notes: [
    'A .pt file is one of the published code (learnable_params.pt, policy_params.pt): m = sigmoid(p), scaled to the trace.',
    'Another file holds one F32 vector a matrix, in the order of falling σ. A trace expert is folded first:',
    'm ← m·Σσ / Σ(σ∘m) in each matrix, so that every arm of a mixture has the base’s scale.',
  ],
  async run({ values, positionals, io }) {
    const [path = ''] = positionals;
    const bytes = readBytes(path);
    const kind = choiceOption('kind', values.kind, ['task', 'classifier']);
    const normalisation = choiceOption('normalisation', values.normalisation, ['none', 'trace']);
    return withRegistry(values.registry, io, async ({ registry, experts }) => {
      const asked = values.name ?? basename(path).replace(/\.(safetensors|pt)$/, '');
      const { model, expert: name } = await withModel(asked, values.model, registry, io);
      const { expert, created, folded } = await experts.publish(
        {
          name: formatExpertName({ model, expert: name, selector: undefined }),
          file: path.endsWith('.pt') ? await officialFile(bytes, model, registry, io) : bytes,
          kind,
          normalisation,
          label: values.label,
          description: values.description,
          metadata: facts(values.meta),
          categories: values.categories?.split(','),
          alias: values.alias,
        },
        { signal: io.signal },
      );
      if (values.alias)
        printEffect(await routingEffect(experts, io, { version: expert, alias: values.alias }), io);
      if (values.json) {
        writeJson(io.out, { expert: ExpertVersion.toJSON(expert), created, folded });
        return EXIT.ok;
      }
      if (folded) io.out.write('folded: its trace scale went into the multipliers\n');
      io.out.write(
        `${created ? 'published' : 'published before:'} ${expertName(expert)}@${expert.version}\n`,
      );
      if (values.alias) io.out.write(`${expertName(expert)}@${values.alias} points to it\n`);
      return EXIT.ok;
    });
  },
});

/** A file of the published code as one of multipliers, under the names of the model's weights. */
async function officialFile(
  bytes: Buffer,
  model: string,
  registry: ZmeshClient['registry'],
  io: Io,
): Promise<Uint8Array> {
  const { model: manifest } = await registry.getModel({ name: model }, { signal: io.signal });
  if (!manifest) throw new Error(`the registry sent no manifest of ${model}`);
  const ranks = new Map(spectralMatrices(manifest).map(({ name, sigma }) => [name, sigma.length]));
  const { normalisation, multipliers } = readOfficialParameters(bytes, ranks);
  return writeVectors(multipliers, { normalisation, source: 'parameters of the published code' });
}

function facts(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--meta is NAME=TEXT, not "${pair}"`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${path}: ${code === 'ENOENT' ? 'there is no such file' : message}`, { cause: error });
  }
}
