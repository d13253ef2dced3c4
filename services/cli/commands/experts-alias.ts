import {
  DeleteAliasResponse,
  type ExpertVersion,
  SetAliasResponse,
} from '#proto/zmesh/v1/expert_registry.js';
import { formatExpertName } from '#shared/svf/names.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { withModel } from '../full-name.js';
import { printEffect, routingEffect } from '../promotion.js';
import { writeJson } from '../render/json.js';
import { shortHash } from '../render/units.js';

/** `zmesh experts alias`: moves, creates or deletes an alias. */
export const expertsAlias = defineCommand({
  path: 'experts alias',
  summary: 'point an alias to a version, by compare-and-set if asked',
  usage: '<name@alias> [version | other alias]',
  positionals: { min: 1, max: 2 },
  options: {
    delete: { type: 'boolean', help: 'remove the alias' },
    expect: {
      type: 'string',
      value: 'VERSION',
      help: 'only if it points to this version now; "none" = only if it does not exist',
    },
    model: { type: 'string', value: 'NAME', help: 'the model, if the name leaves it out' },
    ...REGISTRY_OPTION,
  },
  examples: [
    'experts alias math@stable 1a2b3c4d',
    'experts alias math@stable canary --expect 9f8e7d6c',
    'experts alias math@canary --delete',
  ],
  async run({ values, positionals, io }) {
    const [text = '', target] = positionals;
    if (values.delete !== (target === undefined))
      throw new UsageError('give either a version to point to, or --delete');
    return withRegistry(values.registry, io, async ({ registry, experts }) => {
      const { model, expert, selector: alias } = await withModel(text, values.model, registry, io);
      if (alias === undefined) throw new UsageError(`write name@alias, e.g. ${expert}@stable`);
      const resolve = (selector: string): Promise<ExpertVersion> =>
        experts.get(formatExpertName({ model, expert, selector }), { signal: io.signal });
      const expectedVersion =
        values.expect === undefined
          ? undefined
          : values.expect === 'none'
            ? ''
            : (await resolve(values.expect)).version;
      if (target === undefined) {
        const place = { model, expert, alias, expectedVersion };
        const answer = await registry.deleteAlias(place, { signal: io.signal });
        if (values.json) writeJson(io.out, DeleteAliasResponse.toJSON(answer));
        else io.out.write(`${model}/${expert}@${alias} removed (was ${shortHash(answer.previousVersion)})\n`);
        return EXIT.ok;
      }
      const name = formatExpertName({ model, expert, selector: alias });
      const version = await resolve(target);
      const answer = await experts.alias(
        { name, version: version.version, expectedVersion },
        { signal: io.signal },
      );
      if (values.json) writeJson(io.out, SetAliasResponse.toJSON(answer));
      else
        io.out.write(
          `${model}/${expert}@${alias} → ${shortHash(answer.version)} (was ${shortHash(answer.previousVersion) || 'none'})\n`,
        );
      printEffect(await routingEffect(experts, io, { version, alias }), io);
      return EXIT.ok;
    });
  },
});
