import { SetAliasResponse } from '#proto/zmesh/v1/expert_registry.js';
import { formatExpertName, ROUTED_ALIAS } from '#shared/svf/names.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { withModel } from '../full-name.js';
import { printEffect, routingEffect } from '../promotion.js';
import { writeJson } from '../render/json.js';
import { shortHash } from '../render/units.js';

const STAGED = 'staged';

/** `zmesh experts promote`: a tested version goes into routing. */
export const expertsPromote = defineCommand({
  path: 'experts promote',
  summary: `point ${ROUTED_ALIAS} to the version that ${STAGED} points to: it is routed to from then on`,
  usage: '<name>',
  positionals: { min: 1, max: 1 },
  options: {
    from: { type: 'string', value: 'ALIAS', help: `which version (default ${STAGED})` },
    to: { type: 'string', value: 'ALIAS', help: `the alias that moves (default ${ROUTED_ALIAS})` },
    model: { type: 'string', value: 'NAME', help: 'the model, if the name leaves it out' },
    ...REGISTRY_OPTION,
  },
  examples: ['experts promote math', 'experts promote octo-nano/math --from canary'],
  async run({ values, positionals, io }) {
    return withRegistry(values.registry, io, async ({ registry, experts }) => {
      const { model, expert } = await withModel(positionals[0]!, values.model, registry, io);
      const name = formatExpertName({ model, expert, selector: values.from ?? STAGED });
      const promoted = await experts.get(name, { signal: io.signal });
      const { version } = promoted;
      const alias = values.to ?? ROUTED_ALIAS;
      const effect = await routingEffect(experts, io, { version: promoted, alias });
      if (effect.clash) throw effect.clash;
      const to = formatExpertName({ model, expert, selector: alias });
      const answer = await experts.alias({ name: to, version }, { signal: io.signal });
      if (values.json) writeJson(io.out, SetAliasResponse.toJSON(answer));
      else
        io.out.write(
          `${model}/${expert}@${alias} → ${shortHash(version)} (was ${shortHash(answer.previousVersion) || 'none'})\n`,
        );
      printEffect(effect, io);
      return EXIT.ok;
    });
  },
});
