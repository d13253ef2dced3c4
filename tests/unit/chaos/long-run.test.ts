import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '#shared/paths.js';

const homes: string[] = [];
after(() => {
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

/** Runs `body` as the work of a long test in a process of its own; `signals` are sent, one by one, when it says "begun". */
async function longTest(body: string, signals: readonly NodeJS.Signals[] = []) {
  const home = mkdtempSync(join(tmpdir(), 'zmesh-long-run-'));
  homes.push(home);
  const module = pathToFileURL(join(projectRoot, 'dist/tests/chaos/long-run.js')).href;
  const program = `import { setTimeout as sleep } from 'node:timers/promises';
    import { longRun } from ${JSON.stringify(module)};
    await longRun('trial', async (run) => { ${body} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ZMESH_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (/begun/.test(text)) for (const signal of signals) child.kill(signal);
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const folder = join(home, 'reports');
  const kept = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  return { code, out, kept };
}

const WORK = `
  run.after(async () => { await sleep(50); console.log('mesh down'); });
  run.report.fault('an early one');
  run.report.say('begun');
  await sleep(60_000);`;

for (const [signals, code] of [
  [['SIGINT'], 130],
  [['SIGTERM'], 143],
] as const)
  test(`${signals[0]} stops what a long test started, keeps its report, and ends it with ${code}`, async () => {
    const run = await longTest(WORK, signals);
    assert.equal(run.code, code, run.out);
    assert.match(run.out, /mesh down/);
    assert.equal(run.kept.length, 1);
    assert.match(
      run.kept[0]!,
      /FAULT: an early one\n.*begun\n.*stopped by SIG\w+: 1 faults so far: not finished\n$/,
    );
  });

test('a second Ctrl-C does not break off the cleaning up', async () => {
  const run = await longTest(WORK, ['SIGINT', 'SIGINT']);
  assert.equal(run.code, 130);
  assert.match(run.out, /mesh down/);
});

test('nothing is started any more after a signal, and what the test still finds is not told', async () => {
  const body = `
    run.after(() => sleep(200));
    setTimeout(() => {}, 60_000);
    run.report.say('begun');
    await new Promise((resolve) => process.once('SIGINT', () => setTimeout(resolve, 50)));
    run.report.fault('a late one');
    run.after(() => {});
    console.log('started another mesh');`;
  const run = await longTest(body, ['SIGINT']);
  assert.equal(run.code, 130);
  assert.doesNotMatch(run.out, /a late one|another mesh/);
});

test('without a signal: 0 and what was not run; 1 when it found a fault, threw, or could not clean up', async () => {
  const good = await longTest(`return 'not run: upgrade';`);
  assert.equal(good.code, 0);
  assert.match(good.kept[0]!, /no faults; not run: upgrade\n$/);
  for (const body of [
    `run.report.fault('x')`,
    `throw new Error('x')`,
    `run.after(() => { throw new Error('x'); })`,
  ]) {
    const bad = await longTest(body);
    assert.equal(bad.code, 1, body);
    assert.match(bad.kept[0]!, /FAULT: .*1 faults\n$/s);
  }
});
