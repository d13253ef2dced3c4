/** A JSON value; objects are Maps, so that a key named `__proto__` is a key like any other. */
export type StrictJson = null | boolean | number | string | StrictJson[] | Map<string, StrictJson>;

const TOKEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids raw control characters inside strings
  /[ \t\n\r]*(?:([{}[\]:,])|("(?:[^"\\\u0000-\u001f]|\\.)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;
const DEPTH_MAX = 16;
/** Most signs and values: enough for some 400 000 tensors. */
const TOKENS_MAX = 8_000_000;

/**
 * Parses JSON and refuses what `JSON.parse` lets pass: an object that has the same key twice.
 * @throws SyntaxError with the place of the fault; values nested deeper than 16 are one.
 */
export function parseStrictJson(text: string): StrictJson {
  const scanner = new Scanner(text);
  const value = parseValue(scanner, scanner.next(), 0);
  if (text.slice(scanner.position).trim() !== '') throw scanner.fault('text after the end');
  return value;
}

class Scanner {
  readonly text: string;
  position = 0;
  #tokens = 0;

  constructor(text: string) {
    this.text = text;
  }

  next(): string {
    if (++this.#tokens > TOKENS_MAX) throw this.fault(`more than ${TOKENS_MAX} signs and values`);
    TOKEN.lastIndex = this.position;
    const match = TOKEN.exec(this.text);
    if (match === null) throw this.fault('not JSON');
    this.position = TOKEN.lastIndex;
    return match[1] ?? match[2] ?? match[3] ?? match[4] ?? '';
  }

  fault(what: string): SyntaxError {
    return new SyntaxError(`${what} at character ${this.position}`);
  }
}

function parseValue(scanner: Scanner, token: string, depth: number): StrictJson {
  if (depth > DEPTH_MAX) throw scanner.fault(`nested deeper than ${DEPTH_MAX}`);
  if (token === '{') return parseObject(scanner, depth);
  if (token === '[') return parseArray(scanner, depth);
  if ('}],:'.includes(token)) throw scanner.fault(`unexpected \`${token}\``);
  return JSON.parse(token) as null | boolean | number | string;
}

function parseObject(scanner: Scanner, depth: number): Map<string, StrictJson> {
  const object = new Map<string, StrictJson>();
  let token = scanner.next();
  if (token === '}') return object;
  for (;;) {
    if (!token.startsWith('"')) throw scanner.fault('a key is expected');
    const key = JSON.parse(token) as string;
    if (object.has(key)) throw scanner.fault(`the key ${token} is there twice`);
    if (scanner.next() !== ':') throw scanner.fault('`:` is expected');
    object.set(key, parseValue(scanner, scanner.next(), depth + 1));
    token = scanner.next();
    if (token === '}') return object;
    if (token !== ',') throw scanner.fault('`,` or `}` is expected');
    token = scanner.next();
  }
}

function parseArray(scanner: Scanner, depth: number): StrictJson[] {
  const array: StrictJson[] = [];
  let token = scanner.next();
  if (token === ']') return array;
  for (;;) {
    array.push(parseValue(scanner, token, depth + 1));
    token = scanner.next();
    if (token === ']') return array;
    if (token !== ',') throw scanner.fault('`,` or `]` is expected');
    token = scanner.next();
  }
}
