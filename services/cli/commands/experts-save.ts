import { writeFileSync } from 'node:fs';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { formatExpertName } from '#shared/svf/names.js';
import { normalisationName } from '#shared/svf/normalisation.js';
import { readVectors, writeVectors } from '#shared/svf/vectors.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { expertName } from '../experts-columns.js';
import { withModel } from '../full-name.js';
import { writeJson } from '../render/json.js';

/** `zmesh experts save`: a version as the file that `experts publish` takes, and the record of how it came to be beside it. */
export const expertsSave = defineCommand({
  path: 'experts save',
  summary: 'write a version’s multipliers and what is known of it to a safetensors file, its record beside',
  usage: '<name@alias|name@version>',
  positionals: { min: 1, max: 1 },
  options: {
    out: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'the file (default <expert>.safetensors); a record goes to the same name with .run.json',
    },
    label: { type: 'string', value: 'LABEL', help: 'the label to write (default: the version’s)' },
    model: { type: 'string', value: 'NAME', help: 'the model, if the name leaves it out' },
    ...REGISTRY_OPTION,
  },
  examples: ['experts save math@staged', 'experts save octo-nano/math@1a2b3c4d --out best.safetensors'],
  notes: ['What there is under these names is overwritten.'],
  async run({ values, positionals, io }) {
    return withRegistry(values.registry, io, async ({ registry }) => {
      const named = await withModel(positionals[0]!, values.model, registry, io);
      if (named.selector === undefined)
        throw new UsageError(`say which version of ${named.expert}: @alias or @version`);
      const name = formatExpertName(named);
      const { expert, vectors } = await registry.getExpertVectors({ name }, { signal: io.signal });
      if (!expert) throw new Error(`the registry sent ${name} without saying what it is`);
      if (expert.spec?.kind === ExpertKind.ADAPTATION)
        throw new UsageError(`${name} is an adaptation: it holds no multipliers of its own`);
      const { record } = await registry.getExpertRecord({ name }, { signal: io.signal });

      const file = values.out ?? `${named.expert}.safetensors`;
      writeFileSync(file, writeVectors(readVectors(vectors), factsOf(expert, values.label)));
      const recordFile = record.length > 0 ? `${file.replace(/\.safetensors$/, '')}.run.json` : undefined;
      if (recordFile) writeFileSync(recordFile, indented(record));
      if (values.json)
        writeJson(io.out, { expert: `${expertName(expert)}@${expert.version}`, file, record: recordFile });
      else
        io.out.write(
          `${expertName(expert)}@${expert.version} written to ${file}${recordFile ? ` and ${recordFile}` : ', it has no record'}\n`,
        );
      return EXIT.ok;
    });
  },
});

/** The metadata that `readExpertFile` understands. */
function factsOf({ spec }: ExpertVersion, chosenLabel: string | undefined): Record<string, string> {
  if (!spec) return {};
  const { kind, description, categories, metadata } = spec;
  const label = chosenLabel ?? spec.label;
  return {
    ...metadata,
    normalisation: normalisationName(spec.normalisation),
    ...(spec.normalisation === Normalisation.TRACE && { folded: 'yes' }),
    kind: kind === ExpertKind.CLASSIFIER ? 'classifier' : 'task',
    ...(label && { label }),
    ...(description && { description }),
    ...(categories.length > 0 && { categories: categories.join(',') }),
  };
}

function indented(record: Uint8Array): string {
  return `${JSON.stringify(JSON.parse(Buffer.from(record).toString('utf8')), null, 1)}\n`;
}
