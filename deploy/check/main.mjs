/**
 * `npm run check:deploy`: what deploys zmesh, checked without a container engine by the tools of those who read it:
 * docker compose's own parser, helm, the Kubernetes schemas, promtool; and the image's commands, run outside a container.
 *
 *     npm run check:deploy [-- compose | helm | promtool | image …]     (default: all)
 *
 * The tools are built or installed once into the cache, at exact versions. What is missing on this machine is named; in CI
 * everything must be there.
 */
import { helpIfAsked, wrongArguments } from '../local/setup/help.mjs';
import { orExit, setUp } from '../local/setup.mjs';
import { checkCompose } from './compose.mjs';
import { checkHelm } from './helm.mjs';
import { checkImage } from './image.mjs';
import { say } from './places.mjs';
import { checkPrometheus } from './promtool.mjs';

const CHECKS = {
  compose: checkCompose,
  helm: checkHelm,
  promtool: checkPrometheus,
  image: checkImage,
};

const names = Object.keys(CHECKS);
helpIfAsked(`npm run check:deploy [-- ${names.join(' | ')} …]     (default: all)

What deploys zmesh, checked without a container engine by the tools of those who read it.`);
const asked = process.argv.slice(2);
const unknown = asked.find((name) => !names.includes(name));
if (unknown !== undefined) wrongArguments(`no check "${unknown}" (${names.join(', ')})`);
await orExit(async () => {
  await setUp({ quiet: true });
  for (const name of asked.length > 0 ? asked : names) await CHECKS[name]();
  say('all is well');
});
