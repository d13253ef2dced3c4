import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { FinishReason, Sampling } from '#proto/zmesh/v1/common.js';
import { type GenerateRequest, GenerateResponse, Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { chatLoop } from '#services/cli/chat/chat-loop.js';
import { Conversation } from '#services/cli/chat/conversation.js';
import { AnswerStream } from '#shared/client/answer-stream.js';
import type { ZmeshClient } from '#shared/client/client.js';
import { generateRequest, type Question } from '#shared/client/question.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { fakeIo } from '../../support/fake-io.js';

/** Answers each question with its upper case, a word at a time; `slow` hangs after the first word, `fail` fails. */
function fakeDispatcher(): { client: Pick<ZmeshClient, 'generate'>; requests: GenerateRequest[] } {
  const requests: GenerateRequest[] = [];
  async function* generate(request: GenerateRequest, signal: AbortSignal | undefined) {
    requests.push(request);
    const input = request.prompt?.input;
    const messages = input?.$case === 'chat' ? input.value.messages : [];
    const words = messages.at(-1)!.content.toUpperCase().split(' ');
    const limits = { limit: 512, value: 600 };
    if (words[0] === 'FAIL')
      throw new ZmeshError('CONTEXT_EXCEEDED', 'the prompt has 600 tokens, the context 512', limits);
    for (const [index, word] of words.entries()) {
      yield GenerateResponse.create({
        event: { $case: 'delta', value: { answer: 0, text: index ? ` ${word}` : word } },
      });
      if (words[0] === 'SLOW') await sleep(60_000, signal);
    }
    yield GenerateResponse.create({ event: { $case: 'end', value: { finishReason: FinishReason.STOP } } });
    yield GenerateResponse.create({
      event: {
        $case: 'receipt',
        value: Receipt.create({ requestId: `r${requests.length}`, strategy: 'auto' }),
      },
    });
  }
  const client: Pick<ZmeshClient, 'generate'> = {
    generate: (question: Question, { signal } = {}) =>
      new AnswerStream(() => generate(generateRequest(question), signal)),
  };
  return { client, requests };
}

async function chat(input: string, json = false) {
  const { client, requests } = fakeDispatcher();
  const io = fakeIo({ input });
  const conversation = new Conversation({
    client,
    model: 'm',
    sampling: Sampling.create({}),
    system: 'be brief',
    strategy: undefined,
  });
  await chatLoop(conversation, io, json);
  return { io, requests, conversation };
}

const contents = (request: GenerateRequest): string[] =>
  request.prompt?.input?.$case === 'chat'
    ? request.prompt.input.value.messages.map(({ role, content }) => `${role}: ${content}`)
    : [];

test('answers stream, and the history with the system message goes along', async () => {
  const { io, requests } = await chat('hello you\nand now\n');
  assert.equal(io.written(), 'HELLO YOU\nAND NOW\n');
  assert.deepEqual(contents(requests[1]!), [
    'system: be brief',
    'user: hello you',
    'assistant: HELLO YOU',
    'user: and now',
  ]);
});

test('/reset forgets all but the system message, /quit leaves', async () => {
  const { requests } = await chat('one\n/reset\ntwo\n/quit\nthree\n');
  assert.deepEqual(requests.map(contents), [
    ['system: be brief', 'user: one'],
    ['system: be brief', 'user: two'],
  ]);
});

test('/strategy changes the next answers and tells the present one', async () => {
  const { io, requests } = await chat(
    '/strategy\n/strategy expert math@stable\na\n/strategy mix math=0.7,code=0.3\nb\n/strategy auto\nc\n/strategy default\nd\n',
  );
  assert.deepEqual(
    requests.map((request) => request.strategy?.kind?.$case),
    ['expert', 'mixture', 'auto', undefined],
  );
  for (const words of ['default', 'expert math@stable', 'mix math=0.7,code=0.3', 'auto'])
    assert.match(io.complained(), new RegExp(`strategy: ${words}\n`));
});

test('what is not understood is told, and nothing is asked', async () => {
  const { io, requests } = await chat(
    '/strategy sometimes\n/strategy expert\n/nonsense\n/strategy none now\n',
  );
  assert.equal(requests.length, 0);
  assert.match(io.complained(), /error: .*strategy/i);
  assert.match(io.complained(), /error: \/nonsense is not a command; \/help lists them/);
});

test('/receipt shows how the last answer came about', async () => {
  const { io } = await chat('/receipt\none\n/receipt\n');
  assert.match(io.written(), /^\(no answer yet\)\nONE\nrequest +r1/);
});

test('a failed turn is told with its numbers and leaves the history as it was', async () => {
  const { io, requests } = await chat('one\nfail please\ntwo\n');
  assert.match(io.complained(), /error: the prompt has 600 tokens, the context 512 \(CONTEXT_EXCEEDED\)/);
  assert.deepEqual(contents(requests[2]!), ['system: be brief', 'user: one', 'assistant: ONE', 'user: two']);
});

test('Ctrl-C stops an answer and not the program; what was said stays', async () => {
  const { client, requests } = fakeDispatcher();
  const input = new PassThrough();
  const io = fakeIo({ input });
  const conversation = new Conversation({
    client,
    model: '',
    sampling: Sampling.create({}),
    system: undefined,
    strategy: undefined,
  });
  const done = chatLoop(conversation, io, false);
  io.interrupt();
  input.write('slow answer\n');
  while (!io.written().includes('SLOW')) await sleep(1);
  io.interrupt();
  input.write('next\n');
  while (!io.written().includes('NEXT')) await sleep(1);
  input.end();
  await done;
  assert.equal(io.written(), 'SLOW\nNEXT\n');
  assert.match(io.complained(), /\(\/quit or Ctrl-D leaves\)[\s\S]*\(stopped\)/);
  assert.deepEqual(contents(requests[1]!), ['user: slow answer', 'assistant: SLOW', 'user: next']);
});

test('with --json each answer is one line with its receipt', async () => {
  const { io } = await chat('one\ntwo\n', true);
  const lines = io
    .written()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { content: string; receipt: { requestId: string } });
  assert.deepEqual(
    lines.map(({ content, receipt }) => [content, receipt.requestId]),
    [
      ['ONE', 'r1'],
      ['TWO', 'r2'],
    ],
  );
});
