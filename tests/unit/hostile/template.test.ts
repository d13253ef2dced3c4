import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Template } from '@huggingface/jinja';
import { type ChatTurn, readChatTemplate } from '#services/inference/model/chat-template.js';
import { loadTokenizer } from '#services/inference/model/tokenizer.js';
import { ZmeshError } from '#shared/errors.js';
import { copyCheckpoint } from '../../support/checkpoint-folder.js';
import { refusesImport } from '../../support/failed-import.js';
import { PUBLISHED_TEMPLATES } from '../../support/published-templates.js';
import { zmeshError } from '../../support/safetensors-cases.js';

const HELLO: ChatTurn[] = [{ role: 'user', content: 'hi' }];
const TOKENS = { bos_token: '<s>', eos_token: '</s>' };
const render = (source: string, messages: readonly ChatTurn[] = HELLO, generationPrompt = true): string =>
  readChatTemplate(source, { file: 'tokenizer_config.json', fields: TOKENS })!.render(
    messages,
    generationPrompt,
  );

/** A string of 2^19 characters in `ns.s`, half of what one value may have. */
const LONG = `{% set ns = namespace(s="${'x'.repeat(16)}") %}{% for i in range(15) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}`;
const many = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('');

const CONVERSATIONS: readonly (readonly ChatTurn[])[] = [
  HELLO,
  [{ role: 'system', content: ' Be brief.\n' }, ...HELLO],
  [
    ...HELLO,
    { role: 'assistant', content: '<think>\nhm\n</think>\n\nyes\nno' },
    { role: 'user', content: 'a b\n\nc "quoted" \u00e9\u{1f642}' },
  ],
  [...HELLO, ...HELLO],
  [{ role: 'user', content: '' }],
];

for (const [name, source] of Object.entries(PUBLISHED_TEMPLATES)) {
  test(`under the budget the ${name} template gives what the library alone gives, refusals included`, () => {
    const template = new Template(source);
    for (const messages of CONVERSATIONS) {
      for (const generationPrompt of [true, false]) {
        const outcome = (work: () => string): string => {
          try {
            return work();
          } catch (error) {
            return `error: ${(error as Error).message.replace(/^the chat template refused the messages: /, '')}`;
          }
        };
        const variables = { ...TOKENS, messages, add_generation_prompt: generationPrompt };
        const wanted = outcome(() => template.render(variables));
        assert.equal(
          outcome(() => render(source, messages, generationPrompt)),
          wanted,
        );
      }
    }
  });
}

const EXPENSIVE: Readonly<Record<string, string>> = {
  'a range of 10^9': '{% for i in range(10**9) %}x{% endfor %}',
  'a range that falls': '{{ range(0, -10**15, -1) }}',
  'loops in loops': '{% for i in range(9999) %}{% for j in range(9999) %}{{ i }}{% endfor %}{% endfor %}',
  'macros that call themselves twice':
    '{% macro f(n) %}{% if n < 40 %}{{ f(n+1) }}{{ f(n+1) }}{% endif %}{% endmacro %}{{ f(0) }}',
  'a text that doubles':
    '{% set ns = namespace(s="x") %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}',
  'a block that doubles':
    '{% set s = "x" %}{% for i in range(99) %}{% set s %}{{ s }}{{ s }}{% endset %}{% endfor %}{{ s }}',
  'a list that doubles':
    '{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}',
  'a list of itself, sixty times':
    '{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}',
  'namespaces that grow behind a weight': `${many(40, (i) => `{% set n${i} = namespace(a=1) %}`)}${many(39, (i) => `{% set n${i}.a = [n${i + 1}, n${i + 1}] %}`)}{{ n0 }}`,
  'a namespace inside itself': '{% set n = namespace() %}{% set n.a = [n] %}{{ n }}',
  'a replacement by a long text': `${LONG}{{ ns.s | replace("x", ns.s) }}`,
  'a replacement of nothing': `${LONG}{{ ns.s.replace("", ns.s) }}`,
  'a replacement under another name': `${LONG}{% set f = ns.s["replace"] %}{{ f(*["x", ns.s]) }}`,
  'a replacement in a filter block': `${LONG}{% filter replace("x", ns.s) %}{{ ns.s }}{% endfilter %}`,
  'a join with a long separator': `${LONG}{{ ns.s | join(separator=ns.s) }}`,
  'an indentation of 10^9': '{{ "a\\nb" | indent(10**9, true) }}',
  'separators of JSON': `${LONG}{{ range(99) | list | tojson(separators=(ns.s, ns.s)) }}`,
  'a text in single characters': `${LONG}{{ ns.s.split("x") }}`,
  'many long texts': `${LONG}${many(200, (i) => `{% set v${i} = ns.s | upper %}`)}`,
  'frames that hold long texts': `${LONG}{% macro f(n) %}{% set a = ns.s | upper %}{{ f(n+1) }}{{ a | length }}{% endmacro %}{{ f(0) }}`,
};

for (const [title, source] of Object.entries(EXPENSIVE)) {
  test(`a template with ${title} ends in TEMPLATE_FAILED with limit and value`, () => {
    const memory = process.memoryUsage.rss();
    const started = performance.now();
    assert.throws(
      () => render(source),
      (error: unknown) => {
        assert.ok(error instanceof ZmeshError && error.reason === 'TEMPLATE_FAILED', String(error));
        const { limit, value } = error.details;
        assert.ok(Number(value) > Number(limit), `limit ${limit}, value ${value}`);
        assert.ok(error.message.includes(`${limit}`) && error.message.includes(`${value}`), error.message);
        return true;
      },
    );
    assert.ok(performance.now() - started < 60_000, 'took too long');
    assert.ok(process.memoryUsage.rss() - memory < 300e6, 'took too much memory');
  });
}

const REACHING: readonly [source: string, outcome: RegExp | string][] = [
  [
    "{{ messages.constructor.constructor('return process')() }}",
    /Cannot call something that is not a function/,
  ],
  [
    "{{ ''.constructor.constructor('return process')().exit(1) }}",
    /Cannot call something that is not a function/,
  ],
  ["{{ range.constructor('return 1')() }}", /Cannot call something that is not a function/],
  [
    "{{ raise_exception.__proto__.constructor('return 1')() }}",
    /Cannot call something that is not a function/,
  ],
  ['{{ process.exit(1) }}', /Cannot call something that is not a function/],
  ["{{ require('fs') }}", /Cannot call something that is not a function/],
  ["{{ joiner(',')() }}", /Cannot call something that is not a function/],
  ["{{ cycler('a').next() }}", /Cannot call something that is not a function/],
  ["{{ messages | attr('constructor') }}", /Unknown|filter/],
  ["{{ messages['constructor'] }}{{ ''['__proto__'] }}{{ messages[0].__proto__ }}{{ range.prototype }}", ''],
  ['{{ globalThis }}{{ this }}{{ self }}{{ env }}{{ process }}', ''],
  ['{{ namespace.__init__.__globals__ }}{{ (1).constructor }}{{ none.constructor }}', ''],
  ["{% set ns = namespace(__proto__='x', constructor='y') %}{{ ns.__proto__ }}{{ ns.constructor }}", 'xy'],
  ["{% set x = {'__proto__': 'p'} %}{{ x.__proto__ }}{{ {}.__proto__ }}", 'p'],
];

for (const [source, outcome] of REACHING) {
  test(`nothing of JavaScript is reached by ${source}`, () => {
    if (typeof outcome === 'string') assert.equal(render(source), outcome);
    else assert.throws(() => render(source), zmeshError('TEMPLATE_FAILED', outcome));
    assert.equal(({} as { x?: unknown }).x, undefined);
  });
}

test('a recursion without end and words of a megabyte are one short line', () => {
  for (const source of [
    '{% macro f(n) %}{{ f(n+1) }}{% endmacro %}{{ f(0) }}',
    `{{ raise_exception("a\\nb${'z'.repeat(900_000)}") }}`,
  ]) {
    assert.throws(
      () => render(source),
      (error: unknown) =>
        error instanceof ZmeshError && error.message.length < 600 && !error.message.includes('\n'),
    );
  }
});

test('what a conversation may be made into grows with the conversation', () => {
  const content = 'word '.repeat(400_000);
  const messages = Array.from({ length: 3 }, () => ({ role: 'user', content }));
  const rendered = render(
    "{% for m in messages %}<{{ m.content | replace(' ', '  ') | trim }}>{% endfor %}",
    messages,
  );
  assert.equal(rendered.length, 3 * (400_000 * 6 - 2 + 2));
});

test('a template may put a long conversation together in one text, part by part', () => {
  const messages = Array.from({ length: 1000 }, () => ({ role: 'user', content: 'x'.repeat(500) }));
  const source =
    "{% set ns = namespace(t='') %}{% for m in messages %}{% set ns.t = ns.t + '<' + m.content + '>' %}{% endfor %}{{ ns.t }}";
  assert.equal(render(source, messages).length, 502_000);
});

test('thousands of messages are rendered well below the limits', () => {
  const messages = Array.from({ length: 4096 }, (_, i) => ({
    role: i % 2 ? 'assistant' : 'user',
    content: `message ${i}`,
  }));
  for (const source of [
    PUBLISHED_TEMPLATES.chatml!,
    PUBLISHED_TEMPLATES.alternating!,
    PUBLISHED_TEMPLATES.reasoning!,
  ]) {
    assert.match(render(source, messages), /message 4094/);
  }
});

test('a loop whose body is empty takes no steps and is ended by the clock, and the tokenizer works on', {
  timeout: 60_000,
}, async (t) => {
  const folder = await copyCheckpoint(t, 'octo-nano');
  const idle = '{% for i in range(40000) %}{% for j in range(40000) %}{% endfor %}{% endfor %}';
  await writeFile(
    join(folder, 'chat_template.jinja'),
    `{% if messages[0].content == 'now' %}${idle}{% endif %}ok`,
  );
  const tokenizer = await loadTokenizer(folder);
  const chat = (content: string) =>
    tokenizer!.encodeChat([{ role: 'user', content }], { generationPrompt: true });
  assert.equal(chat('later').rendered, 'ok');
  const started = performance.now();
  assert.throws(
    () => chat('now'),
    zmeshError('TEMPLATE_FAILED', /the chat template is not rendered after 200\d ms, the limit/),
  );
  assert.ok(performance.now() - started < 15_000);
  assert.equal(chat('later').rendered, 'ok');
});

test('an import refuses a template that cannot be served, and takes one that refuses some conversations', async (t) => {
  const folder = await copyCheckpoint(t, 'octo-nano');
  const path = join(folder, 'chat_template.jinja');
  const cases: readonly [string, RegExp][] = [
    ['{% for %}', /the chat template is not valid/],
    ['{{ "unclosed }}', /the chat template is not valid/],
    [`${'{{ ('.repeat(50_000)}`, /the chat template is not valid/],
    ['{'.repeat(1_100_000), /it has 1100000 characters, the limit is 1048576/],
    [
      '{% for i in range(10**9) %}{% endfor %}',
      /the chat template cannot be served: the chat template makes a larger value/,
    ],
    ["{{ messages.constructor('x') }}", /the chat template cannot be served: .*not a function/],
    ["{{ raise_exception('never') }}", /the chat template cannot be served: .*never/],
    [
      '{% if messages | length == 3 %}{{ range(10**9) }}{% endif %}',
      /the chat template cannot be served: .*larger value/,
    ],
  ];
  for (const [source, message] of cases) {
    await writeFile(path, source);
    await refusesImport(folder, message);
  }
});

test('rendering and encoding a short conversation stays around a fifth of a millisecond', async (t) => {
  const tokenizer = await loadTokenizer(await copyCheckpoint(t, 'octo-nano'));
  const times = Array.from({ length: 200 }, () => {
    const started = performance.now();
    tokenizer!.encodeChat(HELLO, { generationPrompt: true });
    return performance.now() - started;
  }).sort((a, b) => a - b);
  // Measured 0.2 ms on a free core; generous, since test machines are busy.
  assert.ok(times[100]! < 3, `median ${times[100]} ms`);
});
