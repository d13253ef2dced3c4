import assert from 'node:assert/strict';
import { openSandbox, type Sandbox } from '#shared/sandbox/sandbox.js';
import { itemFaults } from '#shared/tasks/item-faults.js';
import { type VerifierSpec, verify } from '#shared/tasks/verifier.js';
import { question } from '../check.js';
import { sandboxTest } from './open.js';

let opened: Promise<Sandbox> | undefined;

/** The sandbox for both languages, opened once. */
function both(): Promise<Sandbox> {
  opened ??= openSandbox({ languages: ['python', 'javascript'] });
  return opened;
}

/** Asserts for each answer whether it is right, and what the detail says. */
async function judge(
  verifier: VerifierSpec,
  cases: readonly (readonly [answer: string, right: boolean, detail: RegExp])[],
): Promise<void> {
  assert.deepEqual(itemFaults({ id: 'a', prompt: 'b', verifier }), []);
  const sandbox = await both();
  const verdicts = await Promise.all(
    cases.map(([answer]) => verify(answer, question(verifier), { sandbox })),
  );
  for (const [i, { correct, reward, detail }] of verdicts.entries()) {
    const [answer, right, pattern] = cases[i]!;
    assert.equal(correct, right, `${answer}: ${detail}`);
    assert.equal(reward, right ? 1 : -1);
    assert.match(detail, pattern, answer);
  }
}

sandboxTest(
  'an answer in the layout of MBPP passes its assertions or is told which one it fails',
  async () => {
    const verifier: VerifierSpec = {
      type: 'unit-tests',
      language: 'python',
      entry_point: 'shared',
      tests: [
        'import math',
        'assert shared((3, 4, 5), (5, 4, 1)) == {4, 5}',
        'assert math.isclose(mean([1, 2]), 1.5)',
        'try:\n  shared(None, 1)\n  assert False\nexcept TypeError:\n  pass',
      ].join('\n'),
    };
    const mean = 'def mean(xs):\n    return sum(xs) / len(xs)\n';
    const good = `def shared(a, b):\n    return set(a) & set(b)\n\n${mean}`;
    await judge(verifier, [
      [good, true, /all tests pass/],
      [`Here it is:\n\n\`\`\`python\n${good}\`\`\`\nIt uses sets.`, true, /all tests pass/],
      [`\`\`\`\n${good}\`\`\``, true, /all tests pass/],
      [`${good}\`\`\`\nIt uses sets.`, true, /all tests pass/],
      [`\`\`\`python\n${good}`, true, /all tests pass/],
      [
        `def shared(a, b):\n    return set(a) | set(b)\n${mean}`,
        false,
        /^AssertionError in: assert shared\(\(3, 4, 5\)/,
      ],
      [
        'def shared(a, b):\n    return set(a) & set(b)',
        false,
        /NameError: the program has no mean in: assert math/,
      ],
      ['I do not know.', false, /SyntaxError/],
      ['', false, /NameError: the program has no shared/],
    ]);
  },
);

sandboxTest(
  'a completion in the layout of HumanEval goes on from its prompt, or repeats the function',
  async () => {
    const verifier: VerifierSpec = {
      type: 'unit-tests',
      language: 'python',
      entry_point: 'decode',
      prompt:
        'from typing import List\n\n\ndef encode(xs: List[int]) -> List[int]:\n    """Turns a list."""\n    return xs[::-1]\n\n\ndef decode(xs: List[int]) -> List[int]:\n    """Turns it back."""\n',
      tests:
        'def check(candidate):\n    for n in range(5):\n        xs = list(range(n))\n        assert candidate(encode(xs)) == xs\n\ncheck(decode)',
    };
    await judge(verifier, [
      ['    return encode(xs)\n', true, /all tests pass/],
      [
        '```python\ndef decode(xs: List[int]) -> List[int]:\n    return xs[::-1]\n```',
        true,
        /all tests pass/,
      ],
      ['    return xs\n', false, /AssertionError/],
      // The tests' encode is the prompt's own: an answer that overrides it changes nothing.
      ['def encode(xs):\n    return xs\n\ndef decode(xs):\n    return xs\n', false, /AssertionError/],
    ]);
  },
);

sandboxTest('objects of the answer can be handed back to it', async () => {
  const verifier: VerifierSpec = {
    type: 'unit-tests',
    language: 'python',
    entry_point: 'total',
    tests: 'assert total([Pair(1, 2), Pair(3, 4)]) == 10\nassert Pair(1, 2) != Pair(1, 2)',
  };
  const answer =
    'class Pair:\n  def __init__(self, a, b): self.a, self.b = a, b\n  def __eq__(self, other): return True\ndef total(pairs): return sum(p.a + p.b for p in pairs)';
  await judge(verifier, [[answer, true, /all tests pass/]]);
});

sandboxTest('values of all plain kinds arrive as they were sent', async () => {
  const verifier: VerifierSpec = {
    type: 'unit-tests',
    language: 'python',
    entry_point: 'same',
    tests: [
      'import math',
      'for value in [None, True, 1, -2**70, 1.0, 1e300, "é\\n\\ud800", b"\\x00\\xff", 1 + 2j, [], (1,), {3}, frozenset([4]), {(1, 2): [3], "a": {}}]:',
      '    found = same(value)',
      '    assert found == value and type(found) is type(value), value',
      'assert math.isnan(same(math.nan)) and same(math.inf) == math.inf',
      'assert same(value=3) == 3',
    ].join('\n'),
  };
  await judge(verifier, [['def same(value): return value', true, /all tests pass/]]);
});

sandboxTest('JavaScript is tested alike, with assert and console.assert', async () => {
  const verifier: VerifierSpec = {
    type: 'unit-tests',
    language: 'javascript',
    entry_point: 'group',
    prompt: '/* Groups words by length. */\nconst group = (words) => {\n',
    tests:
      'const test = () => { console.assert(JSON.stringify(group(["a", "bb", "c"])) === \'{"1":["a","c"],"2":["bb"]}\') };\ntest();\nassert.deepStrictEqual(group([]), {});\nassert.throws(() => group(null), TypeError);',
  };
  const body =
    '  const groups = {};\n  for (const word of words) groups[word.length] = [...(groups[word.length] ?? []), word];\n  return groups;\n}';
  await judge(verifier, [
    [body, true, /all tests pass/],
    [`\`\`\`js\nexport function group(words) {\n${body}\n\`\`\``, true, /all tests pass/],
    [
      `\`\`\`javascript\nfunction group(words) {\n${body}\nmodule.exports = { group };\n\`\`\``,
      true,
      /all tests pass/,
    ],
    ['  return {};\n}', false, /AssertionError/],
    ['  return 1', false, /SyntaxError/],
  ]);
});

sandboxTest('a function must give what the reference gives, as EvalPlus compares', async () => {
  const similar: VerifierSpec = {
    type: 'reference-outputs',
    entry_point: 'similar_elements',
    prompt: '"""Find the shared elements."""\n',
    solution:
      'def similar_elements(a, b):\n    assert isinstance(a, tuple)\n    return tuple(set(a) & set(b))',
    inputs: ['[[[3, 4, 5, 6], [5, 7, 4, 10]]]', '[[[1, 1], [1]], [[], []]]'],
    oracle: 'mbpp',
    task: 'Mbpp/2',
  };
  await judge(similar, [
    ['def similar_elements(a, b):\n    return tuple(x for x in a if x in b)', true, /all 3 inputs/],
    ['def similar_elements(a, b):\n    return [x for x in set(b) if x in a]', true, /all 3 inputs/],
    ['def similar_elements(a, b):\n    return a', false, /input 1 of 3: \(3, 4, 5, 6\) instead of/],
  ]);
  const half: VerifierSpec = {
    type: 'reference-outputs',
    entry_point: 'half',
    solution: 'def half(x):\n    return x / 2',
    inputs: ['[[1], [2.5], [1e22]]'],
  };
  await judge(half, [
    ['def half(x): return x * 0.5 + 1e-9', true, /all 3 inputs/],
    ['def half(x): return x * 0.5 + 1e-4', false, /input 1 of 3/],
    ['def half(x): return x // 2', false, /input 1 of 3/],
    ['def half(x): return str(x / 2)', false, /input 1 of 3/],
  ]);
});

sandboxTest('a verdict does not change from run to run: hashes and random numbers are the same', async () => {
  const sandbox = await both();
  const verifier: VerifierSpec = {
    type: 'unit-tests',
    language: 'python',
    entry_point: 'f',
    tests: 'assert f() is None, f()',
  };
  const answer = 'import random\ndef f(): return [list({"ab", "cd", "ef", "gh", "ij"}), random.random()]';
  const asked = Array.from({ length: 4 }, async () => await verify(answer, question(verifier), { sandbox }));
  const details = (await Promise.all(asked)).map(({ detail }) => detail);
  assert.match(details[0]!, /AssertionError: \[\['/);
  assert.equal(new Set(details).size, 1);
});

sandboxTest('many trials under one signal leave no warning', async () => {
  const sandbox = await both();
  const warnings: string[] = [];
  const note = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', note);
  const { signal } = new AbortController();
  const verifier: VerifierSpec = { type: 'unit-tests', language: 'python', entry_point: 'f', tests: 'f()' };
  await Promise.all(
    Array.from({ length: 14 }, () => verify('def f(): pass', question(verifier), { sandbox, signal })),
  );
  process.off('warning', note);
  assert.deepEqual(warnings, []);
});
