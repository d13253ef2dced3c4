/**
 * A zmesh client for Node: every step prints one line of JSON, a wrong result ends it with status 1.
 *
 *     node client.mjs --dispatcher 127.0.0.1:50051 --registry 127.0.0.1:50052 --vectors …/experts/math.safetensors
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ZmeshClient, ZmeshError } from '@zmesh/client';
import { FinishReason } from '@zmesh/client/proto/common';

const EXPERT = 'octo-nano/from-node';
const ALIAS = 'canary';
/** Greedy, so that the answer is the same every time. */
const QUESTION = { model: 'octo-nano', prompt: 'Mia has 889 cards and gives away 657. How many cards now?' };
/** Work for some seconds: 16 answers of 480 tokens that no end of turn cuts short. */
const LONG = {
  ...QUESTION,
  n: 16,
  sampling: { maxTokens: 480, ignoreEos: true, temperature: 1, seed: 7n },
};

const report = (step, facts) => console.log(JSON.stringify({ step, ...facts }));

function check(condition, complaint) {
  if (!condition) throw new Error(`wrong result: ${complaint}`);
}

async function classify(mesh) {
  const { classification } = await mesh.classify(QUESTION);
  const [best] = classification.labels;
  check(classification.label === 'math', `label ${classification.label}`);
  report('classify', {
    label: classification.label,
    confidence: classification.confidence,
    expert: best.expert,
  });
}

/** The receipt comes last; its short form is in the trailing metadata. */
async function generate(mesh) {
  const answer = mesh.generate(QUESTION, { timeoutMs: 30_000 });
  let text = '';
  let deltas = 0;
  let end;
  for await (const event of answer) {
    if (event.type === 'delta') {
      text += event.text;
      deltas++;
    } else if (event.type === 'end') end = event;
  }
  check(text.endsWith('answer 232'), `answer ${text}`);
  const finish = Object.keys(FinishReason).find((name) => FinishReason[name] === end.finishReason);
  report('generate', { text, deltas, finish_reason: `FINISH_REASON_${finish}` });
  const { receipt } = answer;
  report('receipt', {
    strategy_used: receipt.strategyUsed,
    label: receipt.classification.label,
    experts: receipt.arms.map(({ expert }) => expert),
    completion_tokens: receipt.usage.completionTokens,
    request_id: receipt.requestId,
    trace_id: receipt.traceId,
    trailer_request_id: answer.trailer('zmesh-request-id'),
    trailer_trace_id: answer.trailer('zmesh-trace-id'),
    trailer_receipt: JSON.parse(answer.trailer('zmesh-receipt')),
  });
}

/** The same expert with every multiplier off by up to 1 %: another version. The header stays as it is. */
function perturbed(path) {
  const file = readFileSync(path);
  for (let at = 8 + Number(file.readBigUInt64LE(0)); at < file.length; at += 4)
    file.writeFloatLE(file.readFloatLE(at) * (0.99 + 0.02 * Math.random()), at);
  return file;
}

async function publish(mesh, vectors) {
  const { expert, created } = await mesh.experts.publish({
    name: EXPERT,
    file: perturbed(vectors),
    label: '',
    metadata: { language: 'node' },
  });
  check(created, 'the version was there before');
  report('publish', { version: expert.version, vectors_sha256: expert.vectorsSha256 });
  return expert.version;
}

/** Moves the alias by compare-and-set: nobody else's move is lost. */
async function alias(mesh, version) {
  const name = `${EXPERT}@${ALIAS}`;
  const before = await mesh.experts.get(name).catch((error) => {
    if (error instanceof ZmeshError && error.code === 'NOT_FOUND') return { version: '' };
    throw error;
  });
  const moved = await mesh.experts.alias({ name, version, expectedVersion: before.version });
  report('alias', { alias: ALIAS, version: moved.version, previous_version: moved.previousVersion });
}

/** The next answer is the new version's. */
async function use(mesh, version) {
  const strategy = { expert: `${EXPERT}@${ALIAS}` };
  const { answers, receipt } = await mesh.complete({ ...QUESTION, strategy });
  const experts = receipt.arms.map(({ expert }) => expert);
  check(experts.join() === `${EXPERT}@${version}`, `answered by ${experts}`);
  report('use', { experts, text: answers[0].text });
}

/** Reads until the stream fails; with which code, after how many deltas, in which trace. */
async function untilFailure(answer, onDelta) {
  let deltas = 0;
  let traceId;
  try {
    for await (const event of answer) {
      if (event.type === 'started') traceId = event.traceId;
      if (event.type === 'delta') onDelta?.(++deltas);
    }
  } catch (error) {
    if (error instanceof ZmeshError) return { code: error.code, deltas, trace_id: traceId };
    throw error;
  }
  throw new Error('wrong result: the stream went on to its end');
}

async function cancel(mesh) {
  const controller = new AbortController();
  const answer = mesh.generate(LONG, { signal: controller.signal });
  report('cancel', await untilFailure(answer, (deltas) => deltas === 3 && controller.abort()));
}

async function deadline(mesh) {
  const start = performance.now();
  const { code, trace_id } = await untilFailure(mesh.generate(LONG, { timeoutMs: 500 }));
  report('deadline', { code, waited_ms: Math.round(performance.now() - start), trace_id });
}

async function reasonedError(mesh) {
  try {
    await mesh.complete({ ...QUESTION, sampling: { maxTokens: 500 } });
  } catch (error) {
    const { code, reason, message, limit, value } = error;
    report('error', { code, reason, message, limit, value });
    return;
  }
  throw new Error('wrong result: the question and 500 tokens fit a context of 512');
}

const { values } = parseArgs({
  options: { dispatcher: { type: 'string' }, registry: { type: 'string' }, vectors: { type: 'string' } },
});
const mesh = new ZmeshClient({ address: values.dispatcher, registryAddress: values.registry });
try {
  await classify(mesh);
  await generate(mesh);
  const version = await publish(mesh, values.vectors);
  await alias(mesh, version);
  await use(mesh, version);
  await cancel(mesh);
  await deadline(mesh);
  await reasonedError(mesh);
} finally {
  mesh.close();
}
