/** Runs tests against an answer that runs elsewhere: the names that a task lists are the answer's functions. */
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { beQuiet, decode, encode, readLine, say } from './wire.mjs';

const KNOWN = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

/** An object of the answer's that is not plain data; it can be handed back. */
class Opaque {
  constructor(tag) {
    this.tag = { t: 'opaque', v: Number(tag.v) };
  }
}

beQuiet();
say('ready');
const { names, tests, prompt } = JSON.parse(readLine());
say(`V ${JSON.stringify(await verdict())}`);

async function verdict() {
  const given = {
    require: createRequire('/'),
    assert,
    console: { ...console, assert: (right, ...text) => assert(right, text.join(' ') || undefined) },
    ...Object.fromEntries(names.map((name) => [name, caller(name)])),
  };
  try {
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction(...Object.keys(given), `${prompt}\n${tests}`)(...Object.values(given));
    return { passed: true, detail: 'all tests pass' };
  } catch (error) {
    return { passed: false, detail: `${error?.name ?? 'Error'}: ${error?.message ?? error}`.slice(0, 400) };
  }
}

function caller(name) {
  return (...args) => {
    const tagOf = (value) => {
      if (value instanceof Opaque) return value.tag;
      throw new TypeError(`a test passes a ${typeof value} that cannot be sent to the answer's program`);
    };
    say(`C ${JSON.stringify({ name, args: args.map((arg) => encode(arg, tagOf)) })}`);
    const line = readLine();
    if (line === undefined) process.exit(1);
    return outcome(line);
  };
}

function outcome(line) {
  let reply;
  let value;
  try {
    reply = JSON.parse(line);
    value = 'value' in reply ? decode(reply.value, (tag) => new Opaque(tag)) : undefined;
  } catch (error) {
    throw new Error(`a result cannot be read: ${error.name}`);
  }
  if ('value' in reply) return value;
  const Kind = Object.hasOwn(KNOWN, reply.raised) ? KNOWN[reply.raised] : Error;
  throw new Kind(String(reply.text));
}
