import { RetireExpertResponse } from '#proto/zmesh/v1/expert_registry.js';
import { formatExpertName } from '#shared/svf/names.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { withModel } from '../full-name.js';
import { writeJson } from '../render/json.js';
import { shortHash } from '../render/units.js';

/** `zmesh experts retire`: a version stays readable and is no longer served. */
export const expertsRetire = defineCommand({
  path: 'experts retire',
  summary: 'retire a version: it stays readable, is no longer served',
  usage: '<name@version>',
  positionals: { min: 1, max: 1 },
  options: {
    model: { type: 'string', value: 'NAME', help: 'the model, if the name leaves it out' },
    ...REGISTRY_OPTION,
  },
  examples: ['experts retire math@1a2b3c4d'],
  async run({ values, positionals, io }) {
    return withRegistry(values.registry, io, async ({ registry }) => {
      const name = await withModel(positionals[0]!, values.model, registry, io);
      if (name.selector === undefined) throw new UsageError('write name@version');
      const answer = await registry.retireExpert({ name: formatExpertName(name) }, { signal: io.signal });
      if (values.json) writeJson(io.out, RetireExpertResponse.toJSON(answer));
      else io.out.write(`${name.model}/${name.expert}@${shortHash(answer.expert?.version ?? '')} retired\n`);
      return EXIT.ok;
    });
  },
});
