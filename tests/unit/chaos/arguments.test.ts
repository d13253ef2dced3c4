import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { USAGE } from '../../chaos/chaos-usage.js';
import { helpText, parseArguments, UsageError } from '../../support/arguments.js';

const run = (program: string, ...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(projectRoot, program), ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
};

test('arguments are read, and what is not given has its default', () => {
  const { seed, rounds, only, older } = parse(['--only', 'kills,clock', '--rounds=3']);
  assert.deepEqual([seed, rounds, only, older], [1, 3, ['kills', 'clock'], undefined]);
  assert.equal(parseArguments(USAGE, ['--help']), 'help');
});

const faults: readonly (readonly [readonly string[], RegExp])[] = [
  [
    ['--only', 'killz'],
    /^--only has no part "killz" \(kills, trainer, half-open, clock, upgrade, overload\)$/,
  ],
  [['--only', ''], /^--only has no part ""/],
  [['--rounds', 'x'], /^--rounds is a whole number from 1 to 1000, not "x"$/],
  [['--rounds', '0'], /not "0"$/],
  [['--rounds', '1.5'], /not "1.5"$/],
  [['--seed', 'abc'], /^--seed is a whole number from 0 to 4294967295, not "abc"$/],
  [['--seed', ''], /not ""$/],
  [['--seed=-1'], /not "-1"$/],
  [['--seed', '4294967296'], /not "4294967296"$/],
  [['--sead', '1'], /^Unknown option '--sead'$/],
  [['kills'], /^Unexpected argument 'kills'/],
  [['--older', ''], /^--older is the path of a folder/],
];
for (const [args, message] of faults)
  test(`refused in one line: ${args.join(' ')}`, () => {
    assert.throws(
      () => parseArguments(USAGE, args),
      (error) => error instanceof UsageError && message.test(error.message) && !error.message.includes('\n'),
    );
  });

test('the help names every option with its range and default', () => {
  const text = helpText(USAGE);
  for (const name of Object.keys(USAGE.options)) assert.match(text, new RegExp(`--${name} `));
  assert.match(text, /--rounds N \(whole number from 1 to 1000, default 2\)/);
});

for (const [program, args, message] of [
  ['dist/tests/chaos/run.js', ['--older', 'docs'], /is no built checkout/],
  ['dist/tests/chaos/soak.js', ['--minutes', 'x'], /--minutes is a number from 0.1 to 10000, not "x"/],
  ['dist/tests/evidence/run.js', ['reel'], /has no part "reel" \(experts, strategies, real\)/],
  ['dist/tests/evidence/run.js', ['--minutes', 'x'], /--minutes is a number from 0.1 to 10000, not "x"/],
  ['dist/tests/hostile/run.js', ['--count', 'abc'], /--count is a whole number from 1 to/],
  ['deploy/local/bench.mjs', ['nothing'], /no measurement "nothing"/],
  ['deploy/local/clients.mjs', ['--only', 'cobol'], /no part "cobol"/],
  ['deploy/check/main.mjs', ['ships'], /no check "ships"/],
] as const)
  test(`${program} ${args.join(' ')} ends with one line and status 2; --help with text and 0`, () => {
    const { status, stdout, stderr } = run(program, ...args);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, message);
    assert.match(stderr, /^[^\n]+\n$/);
    const help = run(program, '--help');
    assert.deepEqual([help.status, help.stderr], [0, '']);
    assert.match(help.stdout, /^npm run /);
  });

function parse(args: readonly string[]) {
  const values = parseArguments(USAGE, args);
  assert.ok(values !== 'help');
  return values;
}
