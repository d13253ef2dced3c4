/** A global of the pickle, by module and name; made of nothing but its name. */
export interface PickleGlobal {
  readonly kind: 'global';
  readonly name: string;
}

/** What the pickle says lies outside it (a storage). */
export interface PersistentId {
  readonly kind: 'persistent';
  readonly id: PickleValue;
}

/** A value of a pickle. Dictionaries have string keys only. */
export type PickleValue =
  | string
  | number
  | boolean
  | null
  | readonly PickleValue[]
  | Map<string, PickleValue>
  | PickleGlobal
  | PersistentId
  | { readonly kind: 'made'; readonly value: unknown };

/** What the globals that a file may call do; whatever is not here is refused. */
export type Callables = Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>>;

/** Globals that a file may name without calling them. */
export type Nameables = ReadonlySet<string>;

/** Most operations, and most bytes of one text: far above any file of parameters. */
const OPERATIONS_MAX = 2_000_000;
const TEXT_BYTES_MAX = 65_536;

const MARK = Symbol('mark');

/**
 * Reads a pickle of protocol 2 that holds data: texts, whole numbers, tuples, dictionaries, and calls of the allowed globals
 * alone. Python's own reader runs whatever a file names; this one knows about 25 operations and throws on every other.
 */
export function readPickle(bytes: Uint8Array, callables: Callables, nameables: Nameables): PickleValue {
  return new Reader(bytes, callables, nameables).run();
}

class Reader {
  readonly #bytes: Buffer;
  readonly #callables: Callables;
  readonly #nameables: Nameables;
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at = 0;

  constructor(bytes: Uint8Array, callables: Callables, nameables: Nameables) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#callables = callables;
    this.#nameables = nameables;
  }

  run(): PickleValue {
    for (let operations = 0; operations < OPERATIONS_MAX; operations++) {
      const code = this.#take(1)[0]!;
      if (code === 0x2e) return this.#pop();
      const operation = OPERATIONS[code];
      if (!operation)
        throw new Error(`pickle operation 0x${code.toString(16)} at ${this.#at - 1} is not one we read`);
      operation(this);
    }
    throw new Error(`more than ${OPERATIONS_MAX} pickle operations`);
  }

  take(count: number): Buffer {
    return this.#take(count);
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  tuple(count: number): void {
    const items = Array.from({ length: count }, () => this.#pop());
    this.push(items.reverse());
  }

  /** What was pushed since the last mark. */
  popMarked(): PickleValue[] {
    const items: PickleValue[] = [];
    for (;;) {
      const top = this.#stack.pop();
      if (top === undefined) throw new Error('a mark is missing');
      if (top === MARK) return items.reverse();
      items.push(top);
    }
  }

  setItems(items: readonly PickleValue[]): void {
    const target = this.#stack.at(-1);
    if (!(target instanceof Map)) throw new Error('items are set on what is no dictionary');
    for (let i = 0; i < items.length; i += 2) {
      const [key, value] = [items[i], items[i + 1]];
      if (typeof key !== 'string' || value === undefined)
        throw new Error('a key that is no text, or no value for it');
      if (target.has(key)) throw new Error(`the key ${JSON.stringify(key)} stands twice`);
      target.set(key, value);
    }
  }

  setOne(): void {
    const value = this.#pop();
    const key = this.#pop();
    this.setItems([key, value]);
  }

  text(length: number): string {
    if (length > TEXT_BYTES_MAX) throw new Error(`a text of ${length} bytes; at most ${TEXT_BYTES_MAX}`);
    return this.#take(length).toString('utf8');
  }

  /** Two lines: module and name. */
  global(): void {
    const name = `${this.#line()} ${this.#line()}`;
    if (!this.#nameables.has(name) && !Object.hasOwn(this.#callables, name))
      throw new Error(`it names ${JSON.stringify(name)}, which is not data`);
    this.push({ kind: 'global', name });
  }

  reduce(): void {
    const args = this.#pop();
    const target = this.#pop();
    const call =
      isGlobal(target) && Object.hasOwn(this.#callables, target.name) && this.#callables[target.name];
    if (!call || !Array.isArray(args)) throw new Error('it calls what may not be called');
    this.push(call(args as readonly PickleValue[]));
  }

  /** The state of an object: read and dropped. Dictionaries carry notes of their module there. */
  build(): void {
    this.#pop();
    if (!(this.#stack.at(-1) instanceof Map)) throw new Error('it sets the state of what is no dictionary');
  }

  persistent(): void {
    this.push({ kind: 'persistent', id: this.#pop() });
  }

  remember(index: number): void {
    const top = this.#stack.at(-1);
    if (top === undefined || top === MARK) throw new Error('nothing to remember');
    this.#memo.set(index, top);
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw new Error(`nothing is remembered as ${index}`);
    this.push(value);
  }

  #pop(): PickleValue {
    const top = this.#stack.pop();
    if (top === undefined || top === MARK) throw new Error('a value is missing');
    return top;
  }

  #line(): string {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0 || end - this.#at > 256) throw new Error('a name without end');
    const line = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return line;
  }

  #take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new Error('the pickle ends too early');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}

/** True for a global. */
export function isGlobal(value: PickleValue): value is PickleGlobal {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'global';
}

/** The operations by code (Python's pickletools). Values that refer to each other share one array or map: nothing is copied, so size stays linear. */
const OPERATIONS: Readonly<Record<number, (reader: Reader) => void>> = {
  // PROTO
  128: (reader) => {
    const version = reader.take(1)[0]!;
    if (version !== 2) throw new Error(`pickle protocol ${version}, not 2`);
  },
  // EMPTY_DICT, MARK, EMPTY_TUPLE, NONE, NEWTRUE, NEWFALSE
  125: (reader) => reader.push(new Map()),
  40: (reader) => reader.mark(),
  41: (reader) => reader.push([]),
  78: (reader) => reader.push(null),
  136: (reader) => reader.push(true),
  137: (reader) => reader.push(false),
  // TUPLE, TUPLE1, TUPLE2, TUPLE3
  116: (reader) => reader.push(reader.popMarked()),
  133: (reader) => reader.tuple(1),
  134: (reader) => reader.tuple(2),
  135: (reader) => reader.tuple(3),
  // BININT, BININT1, BININT2
  74: (reader) => reader.push(reader.take(4).readInt32LE()),
  75: (reader) => reader.push(reader.take(1)[0]!),
  77: (reader) => reader.push(reader.take(2).readUInt16LE()),
  // BINUNICODE
  88: (reader) => reader.push(reader.text(reader.take(4).readUInt32LE())),
  // GLOBAL, REDUCE, BUILD, BINPERSID
  99: (reader) => reader.global(),
  82: (reader) => reader.reduce(),
  98: (reader) => reader.build(),
  81: (reader) => reader.persistent(),
  // SETITEM, SETITEMS
  115: (reader) => reader.setOne(),
  117: (reader) => reader.setItems(reader.popMarked()),
  // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
  113: (reader) => reader.remember(reader.take(1)[0]!),
  114: (reader) => reader.remember(reader.take(4).readUInt32LE()),
  104: (reader) => reader.recall(reader.take(1)[0]!),
  106: (reader) => reader.recall(reader.take(4).readUInt32LE()),
};
