/**
 * The llama.cpp side of `npm run bench -- llama-cpp`, a process of its own: `side.mjs <node-llama-cpp's entry> <GGUF>`.
 * It is asked by messages: `{ settings, prompts, tokens }` → `{ promptMs, decodeMs, promptCpuMs, decodeCpuMs }`. All
 * sequences run at once, greedily.
 */
import { pathToFileURL } from 'node:url';

const { getLlama, LlamaLogLevel } = await import(pathToFileURL(process.argv[2]).href);
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: process.argv[3] });
let context;
let made = '';

process.on('message', async ({ settings, prompts, tokens }) => {
  const key = JSON.stringify([settings, prompts.length]);
  if (key !== made) {
    await context?.dispose();
    const contextSize = prompts[0].length + tokens + 1;
    context = await model.createContext({ ...settings, contextSize, sequences: prompts.length });
    made = key;
  }
  process.send(await measure(prompts, tokens));
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: llama.systemInfo });

async function measure(prompts, tokens) {
  const sequences = prompts.map(() => context.getSequence());
  const begin = now();
  let waiting = prompts.length;
  let decoding;
  await Promise.all(
    sequences.map(async (sequence, i) => {
      let count = 0;
      for await (const _ of sequence.evaluate(prompts[i], { temperature: 0, yieldEogToken: true })) {
        count++;
        if (count === 1 && --waiting === 0) decoding = now();
        if (count === tokens) break;
      }
    }),
  );
  const end = now();
  for (const sequence of sequences) sequence.dispose();
  return {
    promptMs: decoding.ms - begin.ms,
    decodeMs: end.ms - decoding.ms,
    promptCpuMs: decoding.cpuMs - begin.cpuMs,
    decodeCpuMs: end.cpuMs - decoding.cpuMs,
  };
}

function now() {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), cpuMs: (user + system) / 1000 };
}
