import { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { REGISTRY_OPTION, type Registry, withRegistry } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderExperts } from '../experts-columns.js';
import type { Io } from '../io.js';
import { writeJson } from '../render/json.js';

const PAGE_SIZE = 500;

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
    return withRegistry(values.registry, io, async (registry) => {
      const experts = await listAll(registry, io, {
        model: values.model ?? '',
        name: positionals[0] ?? '',
        includeRetired: values.retired,
      });
      if (values.json) writeJson(io.out, experts.map(ExpertVersion.toJSON));
      else if (experts.length === 0) io.err.write('no experts are published\n');
      else io.out.write(renderExperts(experts));
      return EXIT.ok;
    });
  },
});

/** All pages of a list. */
export async function listAll(
  registry: Registry,
  io: Io,
  filter: { readonly model: string; readonly name: string; readonly includeRetired: boolean },
): Promise<ExpertVersion[]> {
  const experts: ExpertVersion[] = [];
  let pageToken = '';
  do {
    const page = await registry.listExperts(
      { ...filter, pageSize: PAGE_SIZE, pageToken },
      { signal: io.signal },
    );
    experts.push(...page.experts);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return experts;
}
