import { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import type { ExpertFilter, Experts } from '#shared/client/client.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderExperts } from '../experts-columns.js';
import type { Io } from '../io.js';
import { writeJson } from '../render/json.js';

/** `zmesh experts list`: versions and their aliases. */
export const expertsList = defineCommand({
  path: 'experts list',
  summary: 'versions and their aliases, newest first within an expert',
  usage: '[name]',
  positionals: { min: 0, max: 1 },
  options: {
    model: { type: 'string', value: 'NAME', help: 'only this model' },
    retired: { type: 'boolean', help: 'retired versions too' },
    ...REGISTRY_OPTION,
  },
  examples: ['experts list', 'experts list math --retired', 'experts list --model octo-nano --json'],
  async run({ values, positionals, io }) {
    return withRegistry(values.registry, io, async ({ experts }) => {
      const filter = { model: values.model, name: positionals[0], includeRetired: values.retired };
      const versions = await listAll(experts, io, filter);
      if (values.json) writeJson(io.out, versions.map(ExpertVersion.toJSON));
      else if (versions.length === 0) io.err.write('no experts are published\n');
      else io.out.write(renderExperts(versions));
      return EXIT.ok;
    });
  },
});

/** All pages of a list. */
export async function listAll(experts: Experts, io: Io, filter: ExpertFilter): Promise<ExpertVersion[]> {
  const versions: ExpertVersion[] = [];
  for await (const version of experts.list(filter, { signal: io.signal })) versions.push(version);
  return versions;
}
