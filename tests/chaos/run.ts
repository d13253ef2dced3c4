/**
 * `npm run chaos`: faults and overload on a real mesh; `--help` tells its options. Prints what happened, keeps it under
 * `<ZMESH_HOME>/reports/`, exits with 1 if anything was not as it must be, 2 if its arguments are wrong, 130 after Ctrl-C.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { argumentsOrExit } from '../support/arguments.js';
import { buildOlderVersion, OLDER_COMMIT } from '../upgrade/older-version.js';
import { startChaosMesh } from './chaos-mesh.js';
import { PARTS, type Part, USAGE } from './chaos-usage.js';
import { clockJumps } from './clock-jumps.js';
import { halfOpen } from './half-open.js';
import { killUnderLoad } from './kills.js';
import { longRun } from './long-run.js';
import { OVERLOAD_SETTINGS, overload } from './overload.js';
import { askUndisturbed } from './questions.js';
import { temporaryFolder } from './temporary-folder.js';
import { killTrainers } from './trainer-kills.js';
import { mixVersions } from './upgrade.js';

const { seed, rounds, only, older } = argumentsOrExit(USAGE, (given) => {
  if (given.older === undefined) return undefined;
  if (given.only && !given.only.includes('upgrade'))
    return '--older is for the part upgrade, which --only leaves out';
  const program = join(resolve(given.older), 'dist/services/dispatcher/main.js');
  return existsSync(program) ? undefined : `--older is no built checkout: ${program} is not there`;
});
const wanted = new Set<Part>(only ?? PARTS);

await longRun('chaos', async (run) => {
  const { report } = run;
  report.say(`seed ${seed}, ${rounds} rounds, ${[...wanted].join(', ')}`);
  if ([...wanted].some((part) => part !== 'overload')) {
    const mesh = await startChaosMesh(run, { replicas: 2 });
    const questions = await askUndisturbed(mesh.dispatcher);
    report.say(`a mesh of two replicas each; ${questions.length} greedy questions answered undisturbed`);
    if (wanted.has('kills')) await killUnderLoad({ mesh, questions, seed, rounds, report });
    if (wanted.has('trainer'))
      await killTrainers({ mesh, report, rounds, folder: await temporaryFolder(run) });
    if (wanted.has('half-open')) await halfOpen(run, { mesh, questions, seed, report });
    if (wanted.has('clock')) await clockJumps({ mesh, questions, seed, report });
    if (wanted.has('upgrade')) {
      const folder = older === undefined ? await buildOlderVersion(run) : resolve(older);
      if (folder) await mixVersions({ mesh, questions, seed, report, older: folder });
      else {
        wanted.delete('upgrade');
        report.say(`no upgrade: the history of this checkout has no ${OLDER_COMMIT}; give --older DIR`);
      }
    }
    await run.cleanUp();
  }
  if (wanted.has('overload')) {
    const mesh = await startChaosMesh(run, { replicas: 1, env: OVERLOAD_SETTINGS });
    await overload(run, { mesh, seed, report, measureMs: 10_000 });
  }
  const left = PARTS.filter((part) => !wanted.has(part));
  return left.length === 0 ? undefined : `not run: ${left.join(', ')}`;
});
