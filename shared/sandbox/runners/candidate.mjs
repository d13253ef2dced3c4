/** Runs an answer's program and calls its functions when the judge asks. What it prints goes nowhere. */
import { createRequire } from 'node:module';
import { runInThisContext } from 'node:vm';
import { beQuiet, decode, encode, readLine, say } from './wire.mjs';

beQuiet();
say('ready');
const { program } = JSON.parse(readLine());
const objects = [];
const fault = run();
for (let line = readLine(); line !== undefined; line = readLine())
  say(fault ?? (await call(JSON.parse(line))));

function run() {
  globalThis.require = createRequire('/');
  globalThis.module = { exports: {} };
  globalThis.exports = globalThis.module.exports;
  try {
    runInThisContext(program, { filename: 'answer' });
    return undefined;
  } catch (error) {
    return raised(error);
  }
}

async function call({ name, args }) {
  try {
    const found = functionOf(name);
    const value = await found(...args.map((arg) => decode(arg, ({ v }) => objects[v])));
    return JSON.stringify({ value: encode(value, tagOf) });
  } catch (error) {
    return raised(error);
  }
}

/** A function of the program's top level, or one that it exports. */
function functionOf(name) {
  const global = runInThisContext(`typeof ${name} === 'undefined' ? undefined : ${name}`);
  const found = global ?? globalThis.module.exports[name] ?? globalThis.exports[name];
  if (typeof found !== 'function') throw new ReferenceError(`the program has no function ${name}`);
  return found;
}

function tagOf(value) {
  objects.push(value);
  return { t: 'opaque', v: objects.length - 1 };
}

function raised(error) {
  try {
    return JSON.stringify({
      raised: String(error?.name ?? 'Error'),
      text: String(error?.message ?? error).slice(0, 500),
    });
  } catch {
    return '{"raised":"Error","text":""}';
  }
}
