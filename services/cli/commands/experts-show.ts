import { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { formatExpertName, ROUTED_ALIAS } from '#shared/svf/names.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderExpert, renderExperts } from '../experts-columns.js';
import { withModel } from '../full-name.js';
import { writeJson } from '../render/json.js';
import { listAll } from './experts-list.js';

/** `zmesh experts show`: one version, or all versions of an expert. */
export const expertsShow = defineCommand({
  path: 'experts show',
  summary: 'one version in full, or all versions of an expert',
  usage: '<name[@alias|@version]>',
  positionals: { min: 1, max: 1 },
  options: {
    model: { type: 'string', value: 'NAME', help: 'the model, if the name leaves it out' },
    record: { type: 'boolean', help: 'how it came to be: the record of its training run or search, as JSON' },
    ...REGISTRY_OPTION,
  },
  examples: [
    `experts show math@${ROUTED_ALIAS}`,
    'experts show octo-nano/math',
    'experts show math@1a2b3c4d --json',
    'experts show math@staged --record',
  ],
  async run({ values, positionals, io }) {
    return withRegistry(values.registry, io, async ({ registry, experts }) => {
      const name = await withModel(positionals[0]!, values.model, registry, io);
      if (name.selector !== undefined) {
        if (values.record) {
          const { record } = await registry.getExpertRecord(
            { name: formatExpertName(name) },
            { signal: io.signal },
          );
          if (record.length === 0) throw new Error(`${formatExpertName(name)} has no record`);
          io.out.write(`${JSON.stringify(JSON.parse(Buffer.from(record).toString('utf8')), null, 2)}\n`);
          return EXIT.ok;
        }
        const expert = await experts.get(formatExpertName(name), { signal: io.signal });
        if (values.json) writeJson(io.out, ExpertVersion.toJSON(expert));
        else io.out.write(renderExpert(expert));
        return EXIT.ok;
      }
      const filter = { model: name.model, name: name.expert, includeRetired: true };
      const versions = await listAll(experts, io, filter);
      if (versions.length === 0)
        throw new ZmeshError('UNKNOWN_EXPERT', `${name.model} has no expert or adaptation ${name.expert}`);
      if (values.json) writeJson(io.out, versions.map(ExpertVersion.toJSON));
      else io.out.write(renderExperts(versions));
      return EXIT.ok;
    });
  },
});
